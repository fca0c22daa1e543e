"""``facesr-bench check +method=NAME``: does a method keep what the harness relies on?"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from facesr_bench.cli import exit_code_of

_DESCRIPTION = """\
Try a method at smoke scale on a few drawn faces: sizes, range, batch independence, training, resume,
two processes, checkpoints, declared facts. Minutes on a CPU; nothing is left behind. A failure is one
sentence that names what to open, and the exit code is 1.

  PYTHONPATH=my_lab facesr-bench check --config-dir my_lab/conf +method=mine
  facesr-bench check +method=scgan --only resume ranks
  facesr-bench check +method=pan method.objective=l1      any override of a run"""


def main(argv: Sequence[str] | None = None) -> int:
    """Check, print a table or JSON; 1 when a promise is broken.

    Raises:
        FaceSRError: there is nothing to check.
    """
    parser = argparse.ArgumentParser(
        prog="facesr-bench check",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("words", nargs="*", metavar="key=value", help="overrides as a run takes them: +method=NAME")
    add("--config-dir", dest="config_dirs", type=Path, action="append", default=[], metavar="DIR",
        help="your own YAML files beside ours; may be repeated")  # fmt: skip
    add("--only", nargs="+", default=[], metavar="TICK", help="these ticks (--list names them)")
    add("--fast", action="store_true", help="without the tick that starts two processes")
    add("--json", action="store_true", help="outcomes as JSON on standard output")
    add("--list", action="store_true", help="name the ticks and what they promise")
    arguments = parser.parse_intermixed_args(argv)
    os.environ.setdefault("TQDM_DISABLE", "1")  # read when tqdm is imported
    from facesr_bench.check.reporting import as_json, listing, print_outcome, summary
    from facesr_bench.check.running import check, chosen_ticks

    ticks = chosen_ticks(arguments.only, fast=arguments.fast)
    if arguments.list:
        print(listing(ticks))
        return 0
    from facesr_bench.console import start_logging
    from facesr_bench.launch import name_conf_folders

    start_logging(None, level=50)  # a check has its own words
    folders = [str(folder) for folder in arguments.config_dirs]
    name_conf_folders([word for folder in folders for word in ("--config-dir", folder)])
    told = (lambda outcome: None) if arguments.json else print_outcome
    outcomes = check(arguments.words, arguments.config_dirs, ticks, told)
    print(json.dumps(as_json(outcomes), indent=2) if arguments.json else summary(outcomes))
    return int(any(outcome.state == "broken" for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
