"""Draws docs/page.png: the leaderboard's page of some runs, as headless Chromium shows it.

    run="python -m facesr_bench +data=tiny data.test_limit=64"
    $run +method=bicubic output_dir=runs/page/bicubic
    $run +method=scgan scale=slim stage=test output_dir=runs/page/scgan
    $run +method=pulse output_dir=runs/page/pulse
    python docs/page.py runs/page

Only of the embedded set, whose faces are drawn: pages of others may show people.
"""

import argparse
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from facesr_bench.leaderboard.page.site import write_site
from facesr_bench.leaderboard.records import find_records

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
from chromium import browser, find_chromium  # noqa: E402

WIDTH, COLOURS, MOST_BYTES = 1200, 256, 200_000

_SHOWN = """
    for (const part of ["cost", "spread"]) document.getElementById(part).hidden = true;
    const labels = [...document.querySelectorAll("#compare label")];
    const which = labels.find((label) => label.firstChild.data === "Which").querySelector("select");
    which.value = "median";
    which.dispatchEvent(new Event("change"));
"""
"""Scores and pictures; the charts are left out, and the faces are those in the middle."""


def main() -> int:
    """Write the picture beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path, help="folder of runs on tiny")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "page.png")
    parser.add_argument("--height", type=int, default=1330)
    options = parser.parse_args()
    found = find_records([options.runs])
    sources = {s["name"] for _, record in found.records for s in record["data_sources"]}
    if sources != {"synthface"}:
        print(
            f"{options.runs} must hold runs on drawn faces alone ({', '.join(sources) or 'none'})."
        )
        return 1
    executable = find_chromium()
    if executable is None:
        print("There is no Chromium here (apt-get install chromium, or FACESR_CHROMIUM=FILE).")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        write_site(found, Path(scratch) / "site", images=2)
        with browser(executable, seconds=600) as tab:
            tab.size(WIDTH, options.height)
            tab.theme("light")
            tab.open((Path(scratch) / "site" / "index.html").as_uri())
            tab.run(_SHOWN)
            tab.screenshot(Path(scratch) / "page.png")
        shown = Image.open(Path(scratch) / "page.png").convert("RGB")
        encoded = io.BytesIO()
        shown.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            encoded, "PNG", optimize=True
        )
    if len(encoded.getvalue()) > MOST_BYTES:
        print(f"The picture has {len(encoded.getvalue()):,} bytes, more than {MOST_BYTES:,}.")
        return 1
    options.out.write_bytes(encoded.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main())
