"""``facesr-bench verify RECORD``: make a random part of a finished run again and compare."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facesr_bench.cli import exit_code_of
from facesr_bench.errors import UsageError

_DESCRIPTION = """\
Super-resolve a random 5 % of a finished run's test images again from its weights, and compare with the
SR images it stored, its per-image scores and its record. The verdict is added to the record under
"verified", also when it is a bad one; the exit code is 1 then.

On the device the run was made on the images must be equal to the bit; elsewhere one level of 255 at
most, and 0.02 on average. A method that searches at test time (PULSE) can be verified on its own
device only: a last bit becomes another face."""


@dataclass(frozen=True)
class Request:
    """The words of one ``verify`` command.

    Attributes:
        record: a ``result.json``, or the folder it lies in.
        share: of the test images to make again, above 0 up to 1.
        seed: of the choice; None draws one, which the verdict tells.
        weights: a checkpoint or weight file that was moved since.
        device: "auto", "cpu" or "cuda".
        config_dirs: folders with YAML files beside ours.
    """

    record: Path
    share: float = 0.05
    seed: int | None = None
    weights: Path | None = None
    device: str = "auto"
    config_dirs: tuple[Path, ...] = ()

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.record.parent if self.record.name == "result.json" else self.record


def read_request(argv: Sequence[str] | None) -> Request:
    """Parse the command line.

    Raises:
        UsageError: a share that cannot be meant.
    """
    parser = argparse.ArgumentParser(
        prog="facesr-bench verify",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("record", type=Path, metavar="RECORD", help="a finished run: its folder or its result.json")
    add("--share", type=float, default=0.05, metavar="X",
        help="of the test images, in whole batches (default 0.05; 1.0 makes all again)")  # fmt: skip
    add("--seed", type=int, metavar="N", help="of the choice; default: drawn, and told")
    add("--weights", type=Path, metavar="FILE", help="where the run's weights lie now")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("--config-dir", dest="config_dirs", type=Path, action="append", default=[], metavar="DIR",
        help="your own YAML files beside ours; may be repeated")  # fmt: skip
    arguments = parser.parse_args(argv)
    arguments.config_dirs = tuple(arguments.config_dirs)
    request = Request(**vars(arguments))
    if not 0 < request.share <= 1:
        raise UsageError(f"--share {request.share} must be above 0 and at most 1 (all images).")
    return request


def main(argv: Sequence[str] | None = None) -> int:
    """Verify, record the verdict, print it; 1 when something differs.

    Raises:
        FaceSRError: the run cannot be made again; nothing is recorded then.
    """
    request = read_request(argv)
    from facesr_bench.evaluate.stopping import stoppable
    from facesr_bench.verify.story import verify

    with stoppable() as stop:
        verdict = verify(request, stop)
    print(verdict.text())
    return 0 if verdict.holds else 1


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
