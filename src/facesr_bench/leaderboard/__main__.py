"""``facesr-bench leaderboard``: tables of runs, a paper's table beside ours, two runs compared."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.cli import exit_code_of
from facesr_bench.papers import paper_names

if TYPE_CHECKING:
    from facesr_bench.leaderboard.records import Found

_EPILOG = """\
facesr-bench leaderboard runs/ --paper scgan --table 1     the paper's table beside ours
facesr-bench leaderboard compare RUN_A RUN_B               is the difference more than chance?
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Print tables to standard output, and what was left out to standard error."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["compare"]:
        from facesr_bench.leaderboard.compare import main as compare

        return compare(words[1:])
    parser = argparse.ArgumentParser(
        prog="facesr-bench leaderboard",
        description="Print a table of every finished run, one table per protocol. Runs share a table "
        "only when their test inputs are the same to the bit, and a column only when it was measured "
        "the same way.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("roots", nargs="*", type=Path, default=[Path("runs")], metavar="DIR",
                        help="folders to look for result.json in (default: runs)")  # fmt: skip
    parser.add_argument("--paper", choices=paper_names(), help="set a paper's table beside ours")
    parser.add_argument("--table", metavar="N", help="its number; all of the paper's by default")
    parser.add_argument("--show-smoke", action="store_true",
                        help="in a paper's table, show runs of scale=smoke or a tenth of their budget "
                        "or less too, marked as such")  # fmt: skip
    parser.add_argument("--format", choices=["terminal", "markdown", "csv", "latex", "html"],
                        help="default: terminal, or markdown in a pipe or file")  # fmt: skip
    parser.add_argument("--html", type=Path, metavar="DIR",
                        help="write a static site (pages, images) to this folder instead")  # fmt: skip
    parser.add_argument("--images", type=int, default=4, metavar="N",
                        help="on the site: worst, median and best images of each method and metric "
                        "(default: 4; 0 for none)")  # fmt: skip
    parser.add_argument("--wandb", metavar="ENTITY/PROJECT",
                        help="take the runs shown there (logger=wandb) instead of folders")  # fmt: skip
    parser.add_argument("--publish", metavar="ENTITY/PROJECT",
                        help="show the tables there too, as W&B tables")  # fmt: skip
    arguments = parser.parse_args(words)
    if arguments.table and not arguments.paper:
        parser.error("--table needs --paper")
    if arguments.show_smoke and not arguments.paper:
        parser.error("--show-smoke needs --paper; the other tables show every run")
    if arguments.html and arguments.paper:
        parser.error("--html shows all runs; a paper's table has --format html")
    if arguments.html and arguments.publish:
        parser.error("--html writes a site, --publish shows tables; give one of them")
    return _print(arguments)


def _print(arguments: argparse.Namespace) -> int:
    from facesr_bench.leaderboard.formats import FORMATS
    from facesr_bench.leaderboard.paper_tables import paper_tables
    from facesr_bench.leaderboard.records import find_records
    from facesr_bench.leaderboard.run_tables import run_tables
    from facesr_bench.leaderboard.wandb_source import wandb_records
    from facesr_bench.leaderboard.wandb_tables import publish
    from facesr_bench.papers import find_table, read_paper

    found = wandb_records(arguments.wandb) if arguments.wandb else find_records(arguments.roots)
    for sentence in found.unreadable:
        print(f"left out: {sentence}", file=sys.stderr)
    for run in found.stopped:
        why = f"failed: {run.error}" if run.error else "running, stopped or killed"
        print(f"left out: {run.folder} has no result.json ({why})", file=sys.stderr)
    if arguments.paper:
        paper = read_paper(arguments.paper)
        chosen = [find_table(paper, arguments.table)] if arguments.table else paper.tables.values()
        tables = [
            view
            for table in chosen
            for view in paper_tables(paper, table, found, arguments.show_smoke)
        ]
    elif arguments.html is not None and found.records:
        return _write_site(found, arguments.html, arguments.images)
    elif found.records:
        tables = run_tables(found.records)
    else:
        print("No finished run was found.", file=sys.stderr)
        return 1
    default = "terminal" if sys.stdout.isatty() else "markdown"
    print(FORMATS[arguments.format or default](tables), end="")
    if arguments.publish:
        address = publish(tables, arguments.publish)
        print(f"published: {address}", file=sys.stderr)
    return 1 if found.unreadable else 0


def _write_site(found: "Found", folder: Path, images: int) -> int:
    from facesr_bench.leaderboard.page.site import write_site

    site = write_site(found, folder, images)
    size = f"{len(site.files)} files, {site.size_bytes / 1e6:.1f} MB"
    print(f"{folder / 'index.html'} ({size})")
    return 1 if found.unreadable else 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
