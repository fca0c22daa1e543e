"""A Markdown table per protocol: best values in bold, HR's own below, and what must not be compared."""

from collections.abc import Mapping, Sequence
from typing import Any

from facesr_bench.console import format_count, format_value, is_smoke_test
from facesr_bench.leaderboard.baseline import missing_baseline
from facesr_bench.leaderboard.columns import FEWEST_TO_RANK, Column, columns_of

_SMOKE = "smoke budget"
_NOT_RANKED = " †"
_ARROWS: dict[bool | None, str] = {True: " ↑", False: " ↓"}


def marks(record: Mapping[str, Any]) -> list[str]:
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


def protocol_table(records: Sequence[Mapping[str, Any]]) -> str:
    """The table of one protocol: a row for each run, newest last, then HR's, then what to know."""
    first = records[0]
    protocol = first["protocol"]
    columns = columns_of(records)
    head = ["method", *_heads(columns), "params", "s/image", "weights", "images trained on"]
    aligned = ["---", *["---:"] * (len(columns) + 2), "---", "---:"]
    lines = [
        f"### {protocol['name']}@{protocol['version']}: {first['n_images']} images, "
        f"inputs {protocol['hash'][:12]}",
        "",
        _line(head),
        f"|{'|'.join(aligned)}|",
    ]
    best = [column.best() for column in columns]
    for number, record in enumerate(records):
        cells = [
            _text(column.cells[number], bold[number])
            for column, bold in zip(columns, best, strict=True)
        ]
        lines.append(_line([_name(record), *cells, *_cost(record)]))
    floors = [column.floor() for column in columns]
    if any(floors):
        lines.append(_line(["HR (floor)", *(floor or "-" for floor in floors), *"----"]))
    for note in _notes(records, columns):
        lines += ["", note]
    return "\n".join(lines) + "\n"


def _heads(columns: Sequence[Column]) -> list[str]:
    """Names of the columns, with the direction, and a dagger where they order no methods."""
    names = [column.key for column in columns]
    return [
        column.key
        + (f" ({column.settings[:6]})" if names.count(column.key) > 1 else "")
        + _ARROWS.get(column.higher_is_better, "")
        + (_NOT_RANKED if column.of_too_few else "")
        for column in columns
    ]


def _text(cell: Mapping[str, Any] | None, bold: bool) -> str:
    if cell is None:
        return "-"
    text = f"**{format_value(cell)}**" if bold else format_value(cell)
    return text + (f" ({cell['not_scored']} not scored)" if cell.get("not_scored") else "")


def _name(record: Mapping[str, Any]) -> str:
    name = str(record.get("label") or record["method"]).replace("|", "\\|")
    return name + "".join(f" ({mark})" for mark in marks(record))


def _cost(record: Mapping[str, Any]) -> list[str]:
    seconds = record["cost"].get("seconds_per_image")
    trained = sum(entry.get("images", 0) for entry in record["trained_on"])
    return [
        format_count(record["cost"].get("params")),
        "-" if seconds is None else f"{seconds:.4f}",
        str(record["origin"]),
        str(trained) if trained else "-",
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _notes(records: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> list[str]:
    """Sentences a reader needs beside this table."""
    notes = []
    if any(column.of_too_few for column in columns):
        notes.append(
            f"†: fewer than {FEWEST_TO_RANK:,} images, too few to rank methods by this distance, so "
            "nothing is in bold."
        )
    if any(cell.get("not_scored") for column in columns for cell in column.present):
        notes.append(
            "Not scored: images that are not in the value (no face found, no second photo, flat). "
            "Nothing is in bold where the best value is over fewer images than another."
        )
    if any(column.floor() for column in columns):
        notes.append(
            "HR (floor): what HR itself would score in SR's place; for FD, FID and KID, real faces "
            "that the other half of the reference set does not show."
        )
    smoke = {key for r in records for key, metric in r["metrics"].items() if is_smoke_test(metric)}
    if smoke:
        notes.append(f"Left out, a smoke test and not a result: {', '.join(sorted(smoke))}.")
    missing = missing_baseline(records)
    return [*notes, f"{missing}."] if missing else notes
