"""Records of runs that were shown on Weights & Biases (:mod:`.wandb_tables` shows tables there).

A run with ``logger=wandb`` leaves its whole record there. It goes through the same checks as a file,
so a table from W&B is the table of the ``result.json`` files.
"""

import json
from pathlib import Path
from typing import Any

from facesr_bench.errors import DataError, first_line
from facesr_bench.leaderboard.records import Found
from facesr_bench.results import check_record

RECORD = "facesr_bench/record"
"""Summary key of the record's JSON text; :mod:`facesr_bench.wandb_logger` writes it."""


def wandb_records(project: str, api: Any = None) -> Found:
    """The records of a project's runs, in order of their start.

    Runs that left no record (running, stopped, failed, or somebody else's) are told one by one.

    Args:
        project: "ENTITY/PROJECT", or "PROJECT" of the default entity.
        api: a ``wandb.Api``; one with the key of this machine when not given.

    Raises:
        DataError: W&B cannot be reached, or there is no such project.
    """
    records: list[tuple[Path, dict[str, Any]]] = []
    unreadable: list[str] = []
    for run in _runs(project, api):
        where = f"W&B run {getattr(run, 'url', None) or run.id}"
        text = run.summary.get(RECORD)
        if text is None:
            unreadable.append(f"{where} has no record (it is {run.state})")
            continue
        try:
            content = json.loads(text)
        except (TypeError, ValueError, RecursionError) as error:
            unreadable.append(f"{where} has a damaged record ({first_line(error)})")
            continue
        try:
            record = check_record(content, where)
        except DataError as error:
            unreadable.append(str(error))
            continue
        records.append((Path("wandb", *project.split("/"), str(run.id)), record))
    records.sort(key=lambda item: str(item[1]["started"]))
    return Found(records, unreadable, [])


def _runs(project: str, api: Any) -> list[Any]:
    try:
        if api is None:
            import wandb

            api = wandb.Api()
        return list(api.runs(project, lazy=False))  # lazily each summary is a request of its own
    except Exception as error:  # its client raises a dozen kinds, ValueError for "no such project"
        raise DataError(
            f"The runs of {project} cannot be read from W&B ({type(error).__name__}: "
            f"{first_line(error)}). Give --wandb ENTITY/PROJECT; wandb login sets the key."
        ) from error
