"""``facesr-bench evaluate``: score two folders of images, or a finished run again, without a model."""

import sys
from collections.abc import Sequence

from facesr_bench.cli import report
from facesr_bench.errors import FaceSRError
from facesr_bench.evaluate.request import read_request


def main(argv: Sequence[str] | None = None) -> int:
    """Score, write the record, print the table.

    Raises:
        FaceSRError: with a sentence for the user; RunInterrupted after Ctrl-C or SIGTERM.
    """
    request = read_request(argv)
    from facesr_bench.evaluate.stopping import stoppable

    with stoppable() as stop:
        if request.names_a_run:
            request.refuse_what_is_for_folders()
            from facesr_bench.evaluate.again import score_run_again

            score_run_again(request, stop)
        else:
            from facesr_bench.evaluate.folders import score_folders

            score_folders(request, stop)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FaceSRError as error:
        sys.exit(report(error))
