"""``python -m facesr_bench.bands``: train small, and hold the curves against those recorded."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from facesr_bench.cli import report
from facesr_bench.errors import FaceSRError, UsageError

_DESCRIPTION = """\
Train each method a little, as docs/bands/METHOD.yaml says, and hold its curve against the recorded
ones. A curve that leaves the band, slower or suspiciously faster, is a sentence and exit code 1.

  python -m facesr_bench.bands                      all methods, one seed each: make bands
  python -m facesr_bench.bands scgan --seeds 3      every recorded seed again
  python -m facesr_bench.bands scgan --fault 'learning rate x0.3'     must fail
  python -m facesr_bench.bands scgan --record --reason 'critics got a layer, see CHANGELOG'

Recording also trains with every planted fault of the plan, and is refused if the band misses one."""

HINT = (
    "If the change is meant, record the band anew and say why: python -m facesr_bench.bands METHOD "
    "--record --reason 'WHY'"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Trace and judge, or trace and record; 1 when something left its band.

    Raises:
        FaceSRError: there is no such band, or nothing was recorded.
    """
    parser = argparse.ArgumentParser(
        prog="python -m facesr_bench.bands",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("methods", nargs="*", metavar="METHOD", help="of docs/bands; all by default")
    add("--folder", type=Path, default=Path("docs/bands"), help="plans and recordings")
    add("--seeds", type=int, default=1, metavar="N", help="trace so many of the recorded seeds")
    add("--fault", metavar="NAME", help="plant this fault of the plan")
    add("--record", action="store_true", help="write the curves instead of judging them")
    add("--reason", default="", help="why they are recorded")
    arguments = parser.parse_args(argv)
    if arguments.record and not arguments.reason.strip():
        raise UsageError("A band is recorded for a reason: --record --reason 'WHY'")
    names = arguments.methods or sorted(path.stem for path in arguments.folder.glob("*.yaml"))
    if not names:
        raise UsageError(f"There is no plan (METHOD.yaml) in {arguments.folder}.")
    os.environ.setdefault("TQDM_DISABLE", "1")  # read when tqdm is imported
    from facesr_bench.bands.telling import again, record
    from facesr_bench.console import start_logging

    start_logging(None, level=50)
    left = 0
    for name in names:
        path = arguments.folder / f"{name}.yaml"
        if arguments.record:
            record(path, arguments.reason.strip())
        else:
            left += again(path, arguments.seeds, arguments.fault)
    if left:
        print(HINT)
    return int(left > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FaceSRError as error:
        sys.exit(report(error))
