"""``facesr-bench submit RUN``: check a finished run's record, and pack it for a folder of results."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from facesr_bench.cli import exit_code_of
from facesr_bench.errors import DataError

_DESCRIPTION = """\
Check a finished run (SR images against their hash, counts, versions, means against per_image.csv) and
write what a pull request to a folder of results needs: result.json, per_image.csv, grid.png, a card for
people and a manifest of hashes. The same run gives the same bytes. Commit the folder it names.

grid.png shows test faces; leave it out with --no-grid where the owner of the data forbids that."""


def main(argv: Sequence[str] | None = None) -> int:
    """Check and pack; 1 with every reason when the run is not fit to be handed in.

    Raises:
        FaceSRError: the folder holds no readable record.
    """
    parser = argparse.ArgumentParser(
        prog="facesr-bench submit",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a finished run's folder")
    add("--out", type=Path, default=Path("submissions"), metavar="DIR",
        help="the folder of results (default: submissions); the run gets its own below it")  # fmt: skip
    add("--smoke", action="store_true",
        help="hand in a smoke budget, marked as one: it shows that code runs, no more")  # fmt: skip
    add("--sr", action="store_true", help="with the SR images, as sr.zip")
    add("--no-grid", action="store_true", help="without the picture")
    arguments = parser.parse_args(argv)
    from facesr_bench.submit.checking import absolute_paths, problems_of
    from facesr_bench.submit.packing import pack

    run: Path = arguments.run.parent if arguments.run.name == "result.json" else arguments.run
    record, problems = problems_of(run, smoke_marked=arguments.smoke)
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise DataError(f"{run} is not fit to be handed in:{lines}")
    folder = pack(run, record, arguments.out, with_sr=arguments.sr, grid=not arguments.no_grid)
    print(folder)
    paths = absolute_paths(record)
    if paths:
        print(f"  result.json tells paths of this machine: {', '.join(paths)}", file=sys.stderr)
    if not record.get("verified"):
        print("  not verified yet: facesr-bench verify adds a verdict", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
