"""``leaderboard --publish``: tables as W&B tables, with all that a row bears in other views."""

from collections.abc import Sequence
from typing import Any

from facesr_bench.errors import ConfigError, first_line
from facesr_bench.leaderboard.grid import grid_of
from facesr_bench.leaderboard.model import Cell, Head, Row, Table

_OF_A_ROW = (
    "method", "division", "status", "status because", "marks", "superseded", "scale", "origin",
    "images",
)  # fmt: skip


def publish(tables: Sequence[Table], project: str) -> str:
    """Show tables in a run named "leaderboard", and the sentences below each in its notes.

    Args:
        tables: of runs or of papers.
        project: "ENTITY/PROJECT", or "PROJECT" of the default entity.

    Returns:
        The run's address, or its folder with ``WANDB_MODE=offline``.

    Raises:
        ConfigError: W&B does not take it.
    """
    import wandb

    entity, _, name = project.rpartition("/")
    notes = "\n\n".join("\n".join([table.title, *grid_of(table).notes]) for table in tables)
    try:
        run = wandb.init(
            project=name, entity=entity or None, name="leaderboard", job_type="leaderboard",
            notes=notes, reinit="create_new", settings=wandb.Settings(silent=True, console="off"),
        )  # fmt: skip
        for table in tables:
            columns, rows = table_rows(table)
            run.log({key_of(table): wandb.Table(columns=list[Any](columns), data=rows)})
        address = str(run.url or run.dir)
        run.finish()
    except Exception as error:  # whatever its client or the network raises
        raise ConfigError(
            f"The tables could not be published to {project} ({type(error).__name__}: "
            f"{first_line(error)}). wandb login sets the key; WANDB_MODE=offline keeps them here."
        ) from error
    return address


def key_of(table: Table) -> str:
    """Under which a table is shown: it stays the same when runs are added."""
    protocol = table.protocol
    if table.paper or protocol is None:
        return f"leaderboard/{table.title}"
    return f"leaderboard/{protocol['name']}@{protocol['version']} {protocol['hash'][:12]}"


def table_rows(table: Table) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows: what every view says of a row, then its numbers with their intervals.

    A value that is not there is None, and its reason stands under "not there because".
    """
    columns = [*_OF_A_ROW]
    for head in table.heads:
        columns += _columns(table, head)
    columns += ["not there because", *(["may differ because"] if table.paper else [])]
    rows = []
    for row in table.rows:
        values: list[Any] = _facts(row)
        for cell in row.cells:
            values += _values(table, cell)
        lacking = [
            f"{head.name}: {cell.state}, {cell.reason}"
            for head, cell in zip(table.heads, row.cells, strict=True)
            if cell.value is None
        ]
        values += ["; ".join(lacking), *(["; ".join(row.differs)] if table.paper else [])]
        rows.append(values)
    return columns, rows


def _facts(row: Row) -> list[Any]:
    record = row.record or {}
    return [
        row.name,
        row.division,
        row.status.name if row.status else None,
        row.status.reason if row.status else None,
        "; ".join(mark.text for mark in row.marks),
        row.superseded,
        record.get("scale"),
        record.get("origin"),
        record.get("n_images"),
    ]


def _columns(table: Table, head: Head) -> list[str]:
    name = head.name
    own = [name, f"{name} low", f"{name} high", f"{name} marks"]
    return [f"{name} paper", *own, f"{name} difference"] if table.paper else own


def _values(table: Table, cell: Cell) -> list[Any]:
    low, high = cell.ci95 or (None, None)
    own = [cell.value, low, high, "; ".join(mark.why for mark in cell.marks)]
    if not table.paper:
        return own
    return [None if cell.printed is None else cell.printed.value, *own, cell.difference]
