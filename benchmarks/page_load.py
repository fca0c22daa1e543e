"""How long a leaderboard page of 1,000 images and 8 methods takes to write and to open, and its size.

    python benchmarks/page_load.py
    python benchmarks/page_load.py --images 5000 --methods 8 --keep /tmp/site

The runs are made up (``page_runs.py``); the page is real. Opening is measured in headless Chromium from
file://, until the load event has ended, which is after all charts are drawn: by the clock
(``performance.timing``), and beside it an empty page, since a busy machine slows both; and as CPU
time of the page's main thread, which a busy machine changes less.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from chromium import Browser, browser, find_chromium
from page_runs import make_runs
from report import note

from facesr_bench.leaderboard.page.site import IMAGES, write_site
from facesr_bench.leaderboard.records import find_records

_CLOCK = "performance.timing.loadEventEnd - performance.timing.navigationStart"


def open_page(tab: Browser, address: str) -> dict[str, float]:
    """Milliseconds by the clock, and of CPU time: all tasks of the page, its scripts and layout."""
    tab.open(address)
    clock = float(tab.run(_CLOCK))
    values = {
        entry["name"]: entry["value"] for entry in tab.call("Performance.getMetrics")["metrics"]
    }
    names = ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
    return {"clock": clock, **{name: 1e3 * values[name] for name in names}}


def measure(executable: str, root: Path, repeats: int) -> tuple[dict[str, float], dict[str, float]]:
    """Medians of the page and of an empty one, opened in turn, each time in a browser of its own."""
    empty = root / "empty.html"
    empty.write_text("<!doctype html><title>empty</title><p>empty")
    found: dict[str, list[dict[str, float]]] = {"page": [], "empty": []}
    for _ in range(repeats):
        for name, path in (("empty", empty), ("page", root / "index.html")):
            with browser(executable, seconds=900) as tab:
                tab.size(1280, 900)
                tab.call("Performance.enable", timeDomain="threadTicks")
                found[name].append(open_page(tab, path.as_uri()))
    page, blank = (
        {key: statistics.median(each[key] for each in rows) for key in rows[0]}
        for rows in (found["page"], found["empty"])
    )
    return page, blank


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--methods", type=int, default=8)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="write the site here, and leave it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs = Path(scratch) / "runs"
        labels = [f"method {number}" for number in range(options.methods)]
        make_runs(runs, labels, options.images, options.side)
        out = options.keep or Path(scratch) / "site"
        start = time.process_time()
        site = write_site(find_records([runs]), out, IMAGES)
        print(f"{options.images} images x {options.methods} methods, {len(labels)} runs")
        print(f"written in {time.process_time() - start:.1f} CPU s")
        _sizes(site.files)
        executable = find_chromium()
        if executable is None:
            print("not opened: no Chromium here (apt-get install chromium)")
            return
        page, empty = measure(executable, out, options.repeats)
        print(f"{'':24}{'page':>10}{'empty page':>12}   (ms, median of {options.repeats})")
        what = f"page of {options.images} images x {options.methods} methods, opening"
        for name, value in page.items():
            print(f"{name:24}{value:10.0f}{empty[name]:12.0f}")
            note(f"{what}, {name}, against an empty page", "ms", value, empty[name])


def _sizes(files: dict[str, Any]) -> None:
    pages = sum(size for name, size in files.items() if name.endswith(".html"))
    images = sum(files.values()) - pages
    print(f"page {pages / 1e6:.2f} MB, {len(files) - 1} images of {images / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
