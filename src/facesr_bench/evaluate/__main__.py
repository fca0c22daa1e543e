"""``facesr-bench evaluate``: score two folders of images, or a finished run again, without a model."""

import sys
from collections.abc import Sequence

from facesr_bench.cli import exit_code_of
from facesr_bench.errors import NotComputed, UsageError
from facesr_bench.evaluate.request import read_request


def main(argv: Sequence[str] | None = None) -> int:
    """Score, write the record, print the table.

    Raises:
        UsageError: the command cannot be meant.
        NotComputed: there is a record, but it is of reasons only.
        FaceSRError: anything else, with a sentence for the user; RunInterrupted after Ctrl-C or
            SIGTERM.
    """
    request = read_request(argv)
    for folder in request.config_dirs:
        if not folder.is_dir():  # Hydra would only warn
            raise UsageError(f"--config-dir {folder} is not a folder.")
    from facesr_bench.evaluate.stopping import stoppable

    with stoppable() as stop:
        if request.names_a_run:
            request.refuse_what_is_for_folders()
            from facesr_bench.evaluate.again import score_run_again

            computed = score_run_again(request, stop)["rescored"][-1]["metrics"]
        else:
            from facesr_bench.evaluate.folders import score_folders

            computed = score_folders(request, stop)["metrics"]
    if not computed:
        raise NotComputed("Not one of the metrics asked for has a value; the reasons are above.")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
