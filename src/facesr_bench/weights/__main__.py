"""``facesr-bench weights list|fetch|import|check|convert``: third-party weights on this machine."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.cli import exit_code_of, report
from facesr_bench.errors import FaceSRError, MissingRequirement
from facesr_bench.weights.registry import entry, registry

if TYPE_CHECKING:
    from facesr_bench.weights.importing import Imported


_WIDTH = 100
"""Columns of the widest line of ``list``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the sub-commands."""
    parser = argparse.ArgumentParser(
        prog="facesr-bench weights",
        description="Third-party weights: which are known, which are here, and taking them in. "
        "Nothing is opened before its sha256 is verified, and nothing that could run code is opened "
        "at all. The folder is FACESR_WEIGHTS, by default weights/ in the cache folder.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every known file: state, size, licence, what needs it")
    get = commands.add_parser(
        "fetch", help="download, verify and take in; goes on where it was cut"
    )
    get.add_argument("names", nargs="+", metavar="NAME")
    get.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS",
                     help="how long a server may be silent (default: 30)")  # fmt: skip
    make = commands.add_parser("convert", help="write what is here as safetensors, with a side-car")
    make.add_argument("names", nargs="+", metavar="NAME")
    check = commands.add_parser("check", help="verify hash and layout of what is here")
    check.add_argument("names", nargs="*", metavar="NAME", help="only these; default: all")
    take = commands.add_parser("import", help="verify files you fetched and copy them in")
    take.add_argument("files", nargs="+", type=Path, metavar="FILE")
    take.add_argument("--as", dest="name", metavar="NAME", help="which weights it is, when the hash "
                      "does not tell (one file only)")  # fmt: skip
    take.add_argument("--replace", action="store_true", help="with --as: in place of a file imported "
                      "before, where nobody publishes a hash")  # fmt: skip
    arguments = parser.parse_args(argv)
    if arguments.command == "list":
        return _list()
    if arguments.command == "check":
        return _check(arguments.names)
    if arguments.command == "fetch":
        return _fetch(arguments.names, arguments.timeout)
    if arguments.command == "convert":
        return _convert(arguments.names)
    if arguments.name and len(arguments.files) > 1:
        parser.error("--as names one file; import the others in commands of their own.")
    if arguments.replace and not arguments.name:
        parser.error("--replace needs --as NAME, which says what is replaced.")
    return _import(arguments.files, arguments.name, arguments.replace)


def _list() -> int:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from facesr_bench.console import print_rich
    from facesr_bench.weights.cache import path_of, weights_dir

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 1, 0))
    table.add_column("name", no_wrap=True)
    table.add_column("here", no_wrap=True)
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("licence", max_width=18)
    table.add_column("what it is, and what needs it", max_width=_WIDTH - 63)
    for name, known in sorted(registry().items()):
        here = any(path_of(file).is_file() for file in known.files)
        words = Text("\n".join((known.what, *known.users)))
        words.stylize("dim", len(known.what))
        size = f"{known.size_mb:g}"
        table.add_row(Text(name), "yes" if here else "-", size, Text(known.licence), words)
    # The folder stands above the table and not in it: a long path would be broken.
    print_rich([Text(f"Weights in {weights_dir()}"), table])
    return 0


def _check(names: Sequence[str]) -> int:
    from facesr_bench.weights.loading import check_file, locate

    chosen = [entry(name) for name in names] or [e for _, e in sorted(registry().items())]
    bad = 0
    for known in chosen:
        try:
            file = locate(known.name)
            if not any(each.shipped for each in known.files):  # of ours the hash says it all
                check_file(file.path, known.layout)
        except MissingRequirement as error:
            uses = f"  (for {'; '.join(known.users)})" if known.users else ""
            print(f"missing  {known.name}" + (f": {error}" if names else uses))
            bad += bool(names)
        except FaceSRError as error:
            print(f"BAD      {known.name}: {error}")
            bad += 1
        else:
            print(f"ok       {known.name}  {file.path.name}  sha256 {file.sha256}")
    return 1 if bad else 0


def _import(files: Sequence[Path], name: str | None, replace: bool) -> int:
    from facesr_bench.weights.importing import import_file

    failed = 0
    for source in files:
        try:
            done = import_file(source, name, replace)
        except FaceSRError as error:
            report(error)
            failed += 1
            continue
        _say(done)
    return 1 if failed else 0


def _fetch(names: Sequence[str], timeout: float) -> int:
    from facesr_bench.weights.fetching import fetch

    failed = 0
    for name in names:
        try:
            done = fetch(name, timeout)
        except FaceSRError as error:
            report(error)
            failed += 1
            continue
        if done is None:
            print(f"{name}: is here already, and verified")
        else:
            _say(done)
    return 1 if failed else 0


def _convert(names: Sequence[str]) -> int:
    from facesr_bench.weights.converting import convert
    from facesr_bench.weights.loading import locate

    failed = 0
    for name in names:
        try:
            print(f"{name}: {convert(locate(name))}")
        except FaceSRError as error:
            report(error)
            failed += 1
    return 1 if failed else 0


def _say(done: "Imported") -> None:
    print(f"{done.entry.name}: {done.path} (sha256 {done.sha256})")
    if done.pinned:
        print(
            "  Nobody publishes a hash of this file; the one above is recorded, and another file "
            "under this name will be refused from now on."
        )
    if done.converted:
        print(f"  Converted to {done.converted.name}, which is what is read from now on.")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
