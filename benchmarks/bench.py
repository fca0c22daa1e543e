"""Run the benchmarks one after another; leave one JSON and one Markdown table of what they found.

    python benchmarks/bench.py                       # all of them: make bench
    python benchmarks/bench.py scgan_speed everyday  # some
    python benchmarks/bench.py --quick               # few repeats, to see that they run

Absolute numbers belong to this machine. Ratios compare two things measured in the same process, so they
can be held against another day's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from report import VARIABLE

HERE = Path(__file__).parent
QUICK: dict[str, list[str]] = {
    "everyday": ["--images", "50", "--repeats", "1"],
    "training_steps": ["--scale", "smoke", "--clock", "cpu"],
    "scgan_speed": ["--scale", "smoke", "--batch", "4", "--steps", "3", "--clock", "cpu"],
    "pan_speed": ["--scale", "smoke", "--sides", "16", "--steps", "3", "--clock", "cpu"],
    "pulse_speed": ["--batch", "2", "--steps", "5", "--repeats", "1", "--clock", "cpu"],
    "propulse_speed": ["--steps", "3", "--clock", "cpu"],
    "propulse_table1": ["--steps", "5", "--timed", "1", "--clock", "cpu"],
    "dap_fsr_speed": ["--scale", "smoke", "--steps", "2", "--clock", "cpu"],
    "metric_suite": ["--pairs", "32"],
    "ssim_speed": [],
    "niqe_speed": [],
    "frechet_kid": [],
    "loader_throughput": ["--pairs", "16/64", "--images", "64", "--rounds", "1", "--workers"],
    "synthface_rendering": [],
    "page_load": ["--images", "50", "--repeats", "1"],
}
"""Every benchmark, and its arguments where a glance is enough."""


def machine() -> dict[str, Any]:
    """What the numbers were taken on: what kind of machine, not which."""
    import torch

    from facesr_bench.results import device_facts, git_state, package_versions

    facts = device_facts("cpu")
    device = {
        "cores": facts["cores"],
        "threads": facts["threads"],
        "vectors": torch.backends.cpu.get_cpu_capability(),
    }
    return {"device": device, "versions": package_versions(), "git": git_state()}


def collect(names: list[str], quick: bool) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of all benchmarks, and those that failed."""
    rows, failed = [], []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.jsonl"
            command = [sys.executable, str(HERE / f"{name}.py"), *(QUICK[name] if quick else [])]
            print(f"== {name}", flush=True)
            done = subprocess.run(command, env={**os.environ, VARIABLE: str(path)}, check=False)
            if done.returncode:
                failed.append(name)
            lines = path.read_text().splitlines() if path.exists() else []
            rows += [{"benchmark": name, **json.loads(line)} for line in lines]
    return rows, failed


def markdown(rows: list[dict[str, Any]], about: dict[str, Any]) -> str:
    """The table."""
    device, commit = about["device"], (about["git"] or {}).get("commit", "?")[:12]
    lines = [
        f"{device['cores']} cores, {device['vectors']}, {device['threads']} threads, "
        f"torch {about['versions']['torch']}, commit {commit}. Ratios above 1 are in our favour, "
        "but for shares of a bound, which is 1.",
        "",
        "| what | ours | compared with | unit | ratio |",
        "|---|---:|---:|---|---:|",
    ]
    for row in rows:
        ours, baseline, ratio = (_figure(row[key]) for key in ("ours", "baseline", "ratio"))
        lines.append(f"| {row['what']} | {ours} | {baseline} | {row['unit']} | {ratio} |")
    return "\n".join(lines) + "\n"


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(QUICK)}")
    parser.add_argument("--quick", action="store_true", help="few repeats; no numbers to keep")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    options = parser.parse_args()
    if unknown := set(options.names) - set(QUICK):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    rows, failed = collect(options.names or list(QUICK), options.quick)
    about = machine()
    folder = options.out / datetime.now(UTC).strftime("%Y-%m-%d_%H-%M-%S")
    folder.mkdir(parents=True)
    content = {**about, "quick": options.quick, "failed": failed, "rows": rows}
    (folder / "bench.json").write_text(json.dumps(content, indent=2) + "\n")
    (folder / "bench.md").write_text(markdown(rows, about))
    print(f"\n{markdown(rows, about)}\n{folder}/bench.json, bench.md")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
