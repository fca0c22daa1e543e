"""``python -m mutants``: plant faults one by one; does some test notice each?"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mutants.forking import HEAVY, preload
from mutants.listing import ListError, chosen, read_areas
from mutants.planting import Planting
from mutants.telling import as_json, is_good, line, table

ROOT = Path(__file__).resolve().parents[2]


def main(words: Sequence[str] | None = None) -> int:
    """0 where every fault is caught or named as a survivor, 1 where not, 2 for a bad list."""
    parser = argparse.ArgumentParser(prog="python -m mutants", description=__doc__)
    parser.add_argument("--area", help="only the faults of tests/mutants/AREA.yaml")
    parser.add_argument(
        "--only", metavar="TEXT", help="only faults whose file or `what` holds TEXT"
    )
    parser.add_argument("--list", action="store_true", help="name the faults and plant none")
    parser.add_argument("--json", action="store_true", help="the verdicts as JSON, not as a table")
    parser.add_argument("--jobs", type=int, default=2, help="faults at a time (default: 2)")
    parser.add_argument(
        "--patience", type=float, default=60, metavar="S",
        help="seconds beyond five times the tests' own time, then a fault hangs (default: 60)",
    )  # fmt: skip
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout (default: this one)")
    chose = parser.parse_args(words)
    root = chose.root.resolve()
    try:
        faults = chosen(read_areas(root / "tests" / "mutants"), chose.area, chose.only)
        for fault in faults:
            fault.planted_in((root / fault.file).read_text(encoding="utf-8"))
    except (ListError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if chose.list:
        print("\n".join(f"{fault.area}: {fault.name}" for fault in faults))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the forks are ended, too
    if root == ROOT:  # another project may need none of it
        preload(HEAVY)
    with tempfile.TemporaryDirectory(prefix="facesr-mutants-") as folder:
        planting = Planting(root, Path(folder), chose.jobs, chose.patience)
        verdicts = planting.verdicts(
            faults, told=lambda verdict: print(line(verdict), file=sys.stderr, flush=True)
        )
    print(as_json(verdicts) if chose.json else table(verdicts))
    return 0 if all(is_good(verdict) for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
