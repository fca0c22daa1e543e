"""``facesr-bench prepare NAME --src PATH...``: an owner's files to a folder methods can run on."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.cli import choices, exit_code_of
from facesr_bench.errors import RunInterrupted, UsageError

if TYPE_CHECKING:
    from facesr_bench.prepare.layout import Layout

_DESCRIPTION = """\
Prepare a data set from what its owner distributes: find the images, crop, resize, and write PNG files,
a table of who and what they show (manifest.parquet), a pack for fast loading and a contact sheet to
look at. Archives are read where they lie. An interrupted preparation goes on with the same command; a
finished one is checked and left as it is."""


_OPERATORS = ("box", "bilinear", "bicubic", "lanczos")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    arguments = parser.parse_args(words)
    if arguments.list:
        return _list(arguments.config_dir)
    if arguments.verify is not None:
        return _verify(arguments.verify, arguments.workers)
    if arguments.name is None:
        known = ", ".join(choices("prepare", arguments.config_dir)) or "none"
        raise UsageError(
            f"Which data set? Known: {known}. Example: facesr-bench prepare celeba --src DIR; "
            "facesr-bench prepare --list says what each needs."
        )
    return _prepare(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="facesr-bench prepare", description=_DESCRIPTION)
    parser.add_argument("name", nargs="?", metavar="NAME", help="the data set, see --list")
    parser.add_argument("--src", nargs="+", type=Path, action="extend", metavar="PATH",
                        help="the owner's files: folders, zip or tar archives")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="default: NAME-SIZE in FACESR_DATA, or in data/")  # fmt: skip
    parser.add_argument("--size", type=int, metavar="N",
                        help="side of the images in pixels; default: the recipe's")  # fmt: skip
    parser.add_argument("--operator", choices=_OPERATORS,
                        help="what resizes (Pillow, antialiased); default: the recipe's")  # fmt: skip
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="ARG=VALUE",
                        help="arguments of the recipe, see --list")  # fmt: skip
    parser.add_argument("--on-error", choices=("raise", "skip"), default="raise",
                        help="a damaged image ends it (default), or is left out and named")  # fmt: skip
    parser.add_argument("--workers", type=int, metavar="N", help="threads (default: all cores)")
    parser.add_argument("--pack", choices=("auto", "yes", "no"), default="auto",
                        help="write pack.npy; auto: up to 384 pixels and 8 GB")  # fmt: skip
    parser.add_argument("--landmarks", choices=("auto", "no"), default="auto",
                        help="auto: look for those the owner lacks, if YuNet is here")  # fmt: skip
    parser.add_argument("--list", action="store_true",
                        help="every data set: licence, where to get it, files, size")  # fmt: skip
    parser.add_argument("--verify", type=Path, metavar="DIR",
                        help="compare every pixel of a prepared folder with its hashes")  # fmt: skip
    parser.add_argument("--config-dir", "-cd", action="append", default=[], metavar="DIR",
                        help="a folder with prepare/NAME.yaml of your own")  # fmt: skip
    return parser


def _list(config_dirs: Sequence[str]) -> int:
    from facesr_bench.prepare.catalog import describe

    print("\n\n".join(describe(name, config_dirs) for name in choices("prepare", config_dirs)))
    return 0


def _verify(folder: Path, workers: int | None) -> int:
    from facesr_bench.errors import DataError
    from facesr_bench.prepare.layout import Layout
    from facesr_bench.prepare.verify import verify

    layout = Layout(folder)
    if not layout.complete:
        raise DataError(
            f"{folder} holds no prepared data: there is no {layout.manifest.name} in it."
        )
    print(f"{folder}: {verify(layout, workers):,} images are what was prepared.")
    return 0


def _prepare(arguments: argparse.Namespace) -> int:
    from facesr_bench.interrupts import Interrupts
    from facesr_bench.prepare.catalog import build_recipe, read_settings, recipe_file
    from facesr_bench.prepare.completing import add_landmarks
    from facesr_bench.prepare.layout import Layout, default_folder
    from facesr_bench.prepare.opening import Call, check_same
    from facesr_bench.prepare.verify import glance
    from facesr_bench.prepare.writer import Options, prepare

    path = recipe_file(arguments.name, arguments.config_dir)
    settings = read_settings(path, arguments.set)
    recipe = build_recipe(settings, path)
    if not arguments.src:
        raise UsageError(
            f"Where are the files of {recipe.title}? Give folders or archives with --src: "
            f"{', '.join(recipe.expected)}. To be had from: {recipe.where}"
        )
    size = recipe.size if arguments.size is None else arguments.size
    for option, number in (("--size", size), ("--workers", arguments.workers)):
        if number is not None and number < 1:
            raise UsageError(f"{option} {number} must be at least 1.")
    if arguments.operator is not None:
        recipe.operator = arguments.operator
    call = Call(
        recipe=path.stem,
        target=settings["_target_"],
        version=recipe.version,
        arguments={name: value for name, value in settings.items() if name != "_target_"},
        size=size,
        operator=recipe.operator,
    )
    layout = Layout(arguments.out or default_folder(path.stem, size))
    if layout.complete:
        check_same(layout, call, arguments.src, arguments.on_error, arguments.pack)
        count = glance(layout)
        with Interrupts().listening():
            wants = arguments.landmarks == "auto"
            added = add_landmarks(layout, arguments.workers) if wants else None
        print(f"{layout.root} is already prepared: {count:,} images, {added or 'nothing to do.'}")
        return 0
    options = Options(arguments.on_error, arguments.workers, arguments.pack, arguments.landmarks)
    try:
        with Interrupts().listening():
            facts, seconds = prepare(recipe, call, arguments.src, layout.root, options)
    except RunInterrupted as error:
        raise RunInterrupted(f"{error} What is finished stays; the same command goes on.") from None
    _say(facts, layout, seconds)
    return 0


def _say(facts: dict[str, object], layout: "Layout", seconds: float) -> None:
    from facesr_bench.console import print_rich
    from facesr_bench.prepare.summary import summary_table

    print_rich([summary_table(facts, str(layout.root), seconds)])
    print(f"Look at {layout.sheet} before you train on it.")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
