"""``facesr-bench doctor``: versions, devices, folders, what is missing; to paste into a bug report."""

import argparse
import json
import sys
from collections.abc import Sequence

from facesr_bench.cli import exit_code_of


def main(argv: Sequence[str] | None = None) -> int:
    """Print the report; 1 if there is a problem that runs may stumble over."""
    parser = argparse.ArgumentParser(
        prog="facesr-bench doctor",
        description="What this machine has for facesr-bench and what it lacks: versions beside those "
        "that were tested, devices, folders, weights, variables. Every package is imported once in a "
        "process of its own, which takes some seconds. Paste the output into a bug report; your home "
        "folder is printed as ~.",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments = parser.parse_args(argv)
    from facesr_bench.doctor.report import examine

    report = examine()
    print(json.dumps(report.as_json(), indent=2) if arguments.json else report.as_text())
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
