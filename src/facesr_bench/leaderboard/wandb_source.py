"""Records of runs that were shown on Weights & Biases, and tables shown there.

A run with ``logger=wandb`` leaves its whole record there. It goes through the same checks as a file,
so a table from W&B is the table of the ``result.json`` files.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facesr_bench.errors import ConfigError, DataError, first_line
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


def publish(records: Sequence[Mapping[str, Any]], project: str) -> str:
    """Show records as W&B tables, one for each protocol, in a run named "leaderboard".

    Returns:
        The run's address, or its folder with ``WANDB_MODE=offline``.

    Raises:
        ConfigError: W&B does not take it.
    """
    import wandb

    entity, _, name = project.rpartition("/")
    try:
        run = wandb.init(
            project=name, entity=entity or None, name="leaderboard", job_type="leaderboard",
            reinit="create_new", settings=wandb.Settings(silent=True, console="off"),
        )  # fmt: skip
        for title, (columns, rows) in protocol_rows(records).items():
            run.log({f"leaderboard/{title}": wandb.Table(columns=list[Any](columns), data=rows)})
        address = str(run.url or run.dir)
        run.finish()
    except Exception as error:  # whatever its client or the network raises
        raise ConfigError(
            f"The tables could not be published to {project} ({type(error).__name__}: "
            f"{first_line(error)}). wandb login sets the key; WANDB_MODE=offline keeps them here."
        ) from error
    return address


def protocol_rows(
    records: Sequence[Mapping[str, Any]],
) -> dict[str, tuple[list[str], list[list[Any]]]]:
    """Columns and rows by protocol: only runs that were asked the same share a table.

    A column is a metric together with the hash of its settings, where one name has several.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        protocol = record["protocol"]
        title = f"{protocol['name']}@{protocol['version']} {protocol['hash'][:12]}"
        groups.setdefault(title, []).append(record)
    tables: dict[str, tuple[list[str], list[list[Any]]]] = {}
    for title, group in groups.items():
        keys = sorted({_column(key, m) for r in group for key, m in r["metrics"].items()})
        settings: dict[str, set[str]] = {}
        for name, digest in keys:
            settings.setdefault(name, set()).add(digest)
        heads = [name if len(settings[name]) == 1 else f"{name} ({d[:6]})" for name, d in keys]
        rows = []
        for record in group:
            cells = {_column(key, m): m["value"] for key, m in record["metrics"].items()}
            first = [record.get("label") or record["method"], record["origin"], record.get("scale")]
            rows.append([*first, record["n_images"], *(cells.get(key) for key in keys)])
        tables[title] = (["method", "origin", "scale", "images", *heads], rows)
    return tables


def _column(name: str, metric: Mapping[str, Any]) -> tuple[str, str]:
    return name, str(metric.get("settings_hash"))


def _runs(project: str, api: Any) -> list[Any]:
    try:
        if api is None:
            import wandb

            api = wandb.Api()
        return list(api.runs(project))
    except Exception as error:  # its client raises a dozen kinds, ValueError for "no such project"
        raise DataError(
            f"The runs of {project} cannot be read from W&B ({type(error).__name__}: "
            f"{first_line(error)}). Give --wandb ENTITY/PROJECT; wandb login sets the key."
        ) from error
