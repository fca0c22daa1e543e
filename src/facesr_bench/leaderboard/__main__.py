"""``python -m facesr_bench.leaderboard runs/``: a table of every finished run."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from facesr_bench.cli import report
from facesr_bench.errors import FaceSRError
from facesr_bench.leaderboard.markdown import protocol_table
from facesr_bench.leaderboard.records import by_protocol, find_records
from facesr_bench.leaderboard.wandb_source import publish, wandb_records


def main(argv: Sequence[str] | None = None) -> int:
    """Print Markdown to standard output, and what was left out to standard error."""
    parser = argparse.ArgumentParser(
        prog="facesr-bench leaderboard",
        description="Print a Markdown table of every finished run, one table per protocol. Runs "
        "share a table only when their test inputs are the same to the bit.",
    )
    parser.add_argument("roots", nargs="*", type=Path, default=[Path("runs")], metavar="DIR",
                        help="folders to look for result.json in (default: runs)")  # fmt: skip
    parser.add_argument("--html", type=Path, metavar="DIR",
                        help="write a static site (pages, images) to this folder instead")  # fmt: skip
    parser.add_argument("--images", type=int, default=4, metavar="N",
                        help="on the site: worst, median and best images of each method and metric "
                        "(default: 4; 0 for none)")  # fmt: skip
    parser.add_argument("--wandb", metavar="ENTITY/PROJECT",
                        help="take the runs shown there (logger=wandb) instead of folders")  # fmt: skip
    parser.add_argument("--publish", metavar="ENTITY/PROJECT",
                        help="show the table there too, as W&B tables")  # fmt: skip
    arguments = parser.parse_args(argv)
    found = wandb_records(arguments.wandb) if arguments.wandb else find_records(arguments.roots)
    for sentence in found.unreadable:
        print(f"left out: {sentence}", file=sys.stderr)
    for folder in found.unfinished:
        print(
            f"left out: {folder} has no result.json (running, stopped or failed)", file=sys.stderr
        )
    if not found.records:
        print("No finished run was found.", file=sys.stderr)
        return 1
    if arguments.html is not None:
        from facesr_bench.leaderboard.page.site import write_site

        site = write_site(found, arguments.html, arguments.images)
        size = f"{len(site.files)} files, {site.size_bytes / 1e6:.1f} MB"
        print(f"{arguments.html / 'index.html'} ({size})")
        return 1 if found.unreadable else 0
    print("\n".join(protocol_table(group) for group in by_protocol(found.records).values()))
    if arguments.publish:
        address = publish([record for _, record in found.records], arguments.publish)
        print(f"published: {address}", file=sys.stderr)
    return 1 if found.unreadable else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FaceSRError as error:
        sys.exit(report(error))
