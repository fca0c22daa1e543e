"""``facesr-bench prior``: what priors there are, make a file of a trained one, look at its faces."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from facesr_bench.cli import choices, exit_code_of

_NAME = "a name of conf/prior, a run's last.ckpt or a .safetensors file"


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``facesr-bench prior``; the exit code."""
    parser = argparse.ArgumentParser(prog="facesr-bench prior", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the priors a method can stand on")
    ship = commands.add_parser("ship", help="a run of +method=stylegan2 as one small file")
    ship.add_argument("prior", help=_NAME)
    ship.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    look = commands.add_parser(
        "examine", help="are its faces found, varied, new and like the data?"
    )
    look.add_argument("prior", help=_NAME)
    look.add_argument("--data", default="tiny", help="what is compared with (default: tiny)")
    look.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="data.KEY=VALUE",
        help="as on a run's command line",
    )
    look.add_argument("--number", type=int, default=500, help="faces to make (default: 500)")
    look.add_argument("--draws", type=int, default=5, help="of faces, averaged (default: 5)")
    look.add_argument("--seed", type=int, default=0, help="of the first draw (default: 0)")
    look.add_argument("--picture", type=Path, help="write the first 64 faces to this PNG file")
    arguments = parser.parse_args(argv)
    if arguments.command == "list":
        return _list()
    if arguments.command == "ship":
        return _ship(arguments.prior, arguments.out)
    return _examine(arguments)


def _list() -> int:
    for name in choices("prior", []):
        print(f"{name:<28} prior@method.prior={name}")
    print("\nSome need files of others: facesr-bench weights list")
    return 0


def _ship(name: str, out: Path) -> int:
    from facesr_bench.priors.choosing import open_prior
    from facesr_bench.priors.shipping import ship

    card = ship(open_prior(name), out)
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB, sha256 {card['sha256']}")
    return 0


def _examine(arguments: argparse.Namespace) -> int:
    from rich.table import Table

    from facesr_bench.console import print_rich
    from facesr_bench.images import encode_png, write_atomically
    from facesr_bench.priors.choosing import open_data, open_prior
    from facesr_bench.priors.examining import examine

    prior = open_prior(arguments.prior)
    data = open_data([f"+data={arguments.data}", *arguments.set], prior.resolution)
    findings, faces = examine(
        prior, data, arguments.number, seed=arguments.seed, draws=arguments.draws
    )
    table = Table(
        "check", "prior", "+-", "beside", "", "rule", title=f"{prior.name} on {data.name}"
    )
    for finding in findings:
        beside = "" if finding.yardstick is None else f"{finding.yardstick:.3f}"
        error = "" if math.isnan(finding.error) else f"{finding.error:.3f}"
        verdict = "yes" if finding.passed else "NO"
        table.add_row(finding.name, f"{finding.value:.3f}", error, beside, verdict, finding.rule)
    print_rich([table])
    if arguments.picture is not None:
        import torch

        from facesr_bench.images import to_float
        from facesr_bench.previews import tile

        first = torch.stack([torch.from_numpy(face) for face in faces[:64]])
        write_atomically(arguments.picture, encode_png(tile(to_float(first)), compress_level=9))
    return 0 if all(finding.passed for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
