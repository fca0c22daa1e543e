"""What the command line asks for; light, so that ``--help`` and a typo answer at once."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facesr_bench.errors import UsageError

_DESCRIPTION = """\
Score images without a model.

  facesr-bench evaluate SR_DIR --hr HR_DIR [--lr LR_DIR]   any two folders of images
  facesr-bench evaluate RUN_DIR [--metrics ...]            the stored images of a finished run, again

Images pair by relative path without extension; a run's own names (0001.jpg.png for 0001.jpg) pair too.
Nothing is scored unless every image has its partner."""

_FOLDERS_ONLY = ("hr", "lr", "out", "name", "set_name", "factor", "landmarks")


@dataclass(frozen=True)
class Request:
    """The words of one ``evaluate`` command.

    Attributes:
        images: a folder of SR images, or the folder of a finished run.
        hr, lr: folders of their partners.
        metrics: names of metrics or groups; empty for the default (``core``, or a run's own).
        out: where to write; None is ``runs/evaluate/<name>/<date>``.
        name: how the method is called in tables; None takes it from the folder.
        set_name: name of the test set, the part after "@" in distances; None takes the HR folder's.
        factor: HR side over LR side, checked for every pair.
        device: "auto", "cpu" or "cuda".
        on_missing: what to do about missing weights: "raise", "skip", or None for the default.
        allow_small: whether distances of few images are computed.
        batch_size: images scored at once; None is 32, or the run's own.
        landmarks: CSV of identities and landmarks.
        config_dirs: folders with YAML files beside ours.
    """

    images: Path
    hr: Path | None = None
    lr: Path | None = None
    metrics: tuple[str, ...] = ()
    out: Path | None = None
    name: str | None = None
    set_name: str | None = None
    factor: int | None = None
    device: str = "auto"
    on_missing: str | None = None
    allow_small: bool = False
    batch_size: int | None = None
    landmarks: Path | None = None
    config_dirs: tuple[Path, ...] = ()

    @property
    def names_a_run(self) -> bool:
        """Whether ``images`` is what a run left, finished or not, rather than a folder of images."""
        left = {name for name in _LEFT_BY_A_RUN if (self.images / name).is_file()}
        return "result.json" in left or left == {"config.yaml", "run.log"}

    def refuse_what_is_for_folders(self) -> None:
        """A run has its own test set, name and folder.

        Raises:
            UsageError: an option that only makes sense with folders of images.
        """
        for option in _FOLDERS_ONLY:
            if getattr(self, option) is not None:
                raise UsageError(
                    f"{self.images} is the folder of a run, which is scored on its own test set; "
                    f"--{option.replace('_', '-')} does not apply. To compare its images with "
                    f"another folder, give {self.images / 'sr'} instead."
                )


_LEFT_BY_A_RUN = ("result.json", "config.yaml", "run.log")


def read_request(argv: Sequence[str] | None) -> Request:
    """Parse the command line.

    Raises:
        UsageError: values that cannot be meant.
    """
    arguments = _parser().parse_args(argv)
    words = [word for given in arguments.metrics or () for word in given.split(",")]
    arguments.metrics = tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
    arguments.config_dirs = tuple(arguments.config_dirs)
    request = Request(**vars(arguments))
    for option in ("factor", "batch_size"):
        number = getattr(request, option)
        if number is not None and number < 1:
            raise UsageError(f"--{option.replace('_', '-')} {number} must be at least 1.")
    if request.set_name is not None and not re.fullmatch(r"[\w.+-]+", request.set_name):
        raise UsageError(
            f"--set-name {request.set_name!r} becomes part of metric names (swd_64@NAME), so it may "
            "hold letters, digits and . + - _ only."
        )
    if request.factor is not None and request.lr is None:
        raise UsageError("--factor compares LR with SR sizes, so it needs --lr.")
    if arguments.name is not None and not arguments.name.strip():
        raise UsageError("--name is empty; leave it out to take the folder's name.")
    return request


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="facesr-bench evaluate",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("images", type=Path, metavar="SR_DIR|RUN_DIR", help="SR images, or a finished run")
    add("--hr", type=Path, metavar="DIR", help="ground truth; without it, metrics that need none")
    add("--lr", type=Path, metavar="DIR", help="the LR images the SR images were made from")
    add("--metrics", nargs="+", action="extend", metavar="NAME",
        help="groups (core) and single metrics (niqe), by comma or blank; default: core, or what "
        "the run measured")  # fmt: skip
    add("--out", type=Path, metavar="DIR", help="default: runs/evaluate/<name>/<date>")
    add("--name", metavar="TEXT", help="what tables call the method; default: the folder's name")
    add("--set-name", metavar="NAME", help="name of the test set; default: the HR folder's name")
    add("--factor", type=int, metavar="N", help="refuse pairs whose SR is not N times their LR")
    add("--landmarks", type=Path, metavar="FILE.csv",
        help="columns key, identity and x0,y0 to x4,y4 (HR pixels; eyes, nose, mouth corners, the "
        "viewer's left first); either part may be left out; domain and columns of numbers break scores "
        "down on a page")  # fmt: skip
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="for metric networks")
    add("--batch-size", type=int, metavar="N", help="images scored at once; default: 32")
    add("--on-missing", choices=("raise", "skip"),
        help="missing weights: stop before anything is read (default), or go on without")  # fmt: skip
    add("--allow-small", action="store_true",
        help="distances of too few images, under a name with their number")  # fmt: skip
    add("--config-dir", dest="config_dirs", type=Path, action="append", default=[], metavar="DIR",
        help="your own YAML files beside ours; may be repeated")  # fmt: skip
    return parser
