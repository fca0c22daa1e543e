"""A Markdown table per protocol, best value of each column in bold."""

from collections.abc import Sequence
from typing import Any

from facesr_bench.console import format_count, format_value
from facesr_bench.metrics.value import settings_hash

_SMOKE = "smoke budget"
_ARROWS: dict[bool | None, str] = {True: " ↑", False: " ↓"}


def marks(record: dict[str, Any]) -> list[str]:
    """What a reader must know beside the numbers of a row."""
    found = []
    budget = record.get("budget")
    if budget and record["origin"] == "trained here":
        short = budget["images"] < budget["declared"]
        if record.get("scale") == "smoke" or budget["images"] * 10 <= budget["declared"]:
            found.append(_SMOKE)
        elif short:
            found.append(f"{budget['images'] / budget['declared']:.0%} of its budget")
    if record.get("scale", "full") != "full" and budget:
        found.append(f"scale={record['scale']}")
    return found


def _columns(records: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """(metric key, settings hash): a metric measured in two ways gets two columns."""
    columns: list[tuple[str, str]] = []
    for record in records:
        for key, metric in record["metrics"].items():
            column = (key, settings_hash(metric.get("settings", {})))
            if column not in columns:
                columns.append(column)
    return sorted(columns, key=lambda c: [k for k, _ in columns].index(c[0]))


def _cell(record: dict[str, Any], column: tuple[str, str]) -> dict[str, Any] | None:
    metric = record["metrics"].get(column[0])
    if metric is None or settings_hash(metric.get("settings", {})) != column[1]:
        return None
    return dict(metric)


def _best(records: Sequence[dict[str, Any]], column: tuple[str, str]) -> float | None:
    cells = [cell for record in records if (cell := _cell(record, column))]
    values: list[float] = [cell["value"] for cell in cells if cell.get("value") is not None]
    directions = {cell.get("higher_is_better") for cell in cells}
    if not values or directions not in ({True}, {False}):
        return None
    return max(values) if directions == {True} else min(values)


def protocol_table(records: Sequence[dict[str, Any]]) -> str:
    """The table of one protocol: a row for each run, newest last."""
    first = records[0]
    protocol = first["protocol"]
    columns = _columns(records)
    best = {column: _best(records, column) for column in columns}
    names = [key for key, _ in columns]
    heads = [
        key if names.count(key) == 1 else f"{key} ({settings[:6]})" for key, settings in columns
    ]
    arrows = []
    for column, head in zip(columns, heads, strict=True):
        first_cell = next(c for record in records if (c := _cell(record, column)))
        arrows.append(head + _ARROWS.get(first_cell.get("higher_is_better"), ""))
    lines = [
        f"### {protocol['name']}@{protocol['version']}: {first['n_images']} images, "
        f"inputs {protocol['hash'][:12]}",
        "",
        "| method | " + " | ".join(arrows) + " | params | s/image | weights | images trained on |",
        "|---|" + "---:|" * (len(columns) + 2) + "---|---:|",
    ]
    for record in records:
        cells = []
        for column in columns:
            cell = _cell(record, column)
            text = "-" if cell is None else format_value(cell)
            bold = cell is not None and best[column] is not None and cell["value"] == best[column]
            cells.append(f"**{text}**" if bold else text)
        name = str(record.get("label") or record["method"]).replace("|", "\\|")
        note = "".join(f" ({mark})" for mark in marks(record))
        seconds = record["cost"].get("seconds_per_image")
        trained = sum(entry.get("images", 0) for entry in record["trained_on"])
        cells += [
            format_count(record["cost"].get("params")),
            "-" if seconds is None else f"{seconds:.4f}",
            str(record["origin"]),
            str(trained) if trained else "-",
        ]
        lines.append(f"| {name}{note} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
