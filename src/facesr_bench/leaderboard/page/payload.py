"""The data behind the charts of one page, as plain JSON values."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from facesr_bench.leaderboard.page.board import Board
from facesr_bench.leaderboard.page.pictures import Pictures
from facesr_bench.leaderboard.page.subgroups import Breakdown

MOST_VALUES = 1_500_000
"""Scores of single images on one page (10 MB); beyond it a fixed sample of the images is drawn."""

COSTS = (
    ("seconds_per_image", "seconds per image"),
    ("flops", "FLOPs per image"),
    ("params", "parameters"),
    ("peak_memory_bytes", "peak memory, bytes"),
)


def payload(board: Board, breakdowns: Sequence[Breakdown], pictures: Pictures) -> dict[str, Any]:
    """Everything ``assets/*.js`` reads; floats have six digits, enough for a chart."""
    shown = board.sample(MOST_VALUES // max(1, len(board.runs) * len(board.scores)))
    return {
        "methods": [_method(board, number) for number in range(len(board.runs))],
        "costs": [{"key": key, "title": title} for key, title in COSTS],
        "metrics": [
            _metric(board, number, title, shown) for number, title in enumerate(board.titles())
        ],
        "images": {"shown": len(shown), "of": board.images},
        "pictures": _pictures(board, pictures),
        "subgroups": [_breakdown(part) for part in breakdowns],
    }


def embed(data: Mapping[str, Any]) -> str:
    """JSON for a ``<script type="application/json">``: without ``<``, so that nothing can end it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _method(board: Board, number: int) -> dict[str, Any]:
    run = board.runs[number]
    cost = run.record["cost"] or {}
    return {
        "name": run.name,
        "cost": {key: _short(cost.get(key)) for key, _ in COSTS},
        "device": str((run.record.get("device") or {}).get("name") or "unknown device"),
    }


def _metric(board: Board, number: int, title: str, shown: Sequence[int]) -> dict[str, Any]:
    column = board.columns[number]
    scores = board.scores.get(number)
    return {
        "title": title,
        "higher": column.higher_is_better,
        "ranked": not column.of_too_few,
        "cells": [None if cell is None else _cell(cell) for cell in column.cells],
        "perImage": None if scores is None else [_column(row[shown]) for row in scores],
    }


def _cell(cell: Mapping[str, Any]) -> dict[str, Any]:
    low, high = cell.get("ci95") or (None, None)
    return {
        "v": _short(cell.get("value")),
        "lo": _short(low),
        "hi": _short(high),
        "n": cell.get("n"),
    }


def _column(row: Iterable[float]) -> list[float | None] | None:
    values = [_short(float(value)) for value in row]
    return values if any(value is not None for value in values) else None


def _short(value: float | None) -> float | None:
    """Six digits, None for what is no finite number."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")


def _pictures(board: Board, pictures: Pictures) -> dict[str, Any]:
    place = {position: number for number, position in enumerate(pictures.positions)}
    picks: dict[str, dict[str, dict[str, list[int]]]] = {}
    for pick in pictures.picks:
        of_run = picks.setdefault(str(pick.column), {}).setdefault(str(pick.run), {})
        of_run[pick.rank] = [place[position] for position in pick.positions]
    keys = [board.keys[position] for position in pictures.positions]
    return {
        "keys": keys,
        "people": [board.identities.get(key) for key in keys],
        "picks": picks,
        "files": pictures.files,
        "size": pictures.size,
        "notes": pictures.notes,
        "scores": {
            str(number): [[_short(float(v)) for v in row[pictures.positions]] for row in scores]
            for number, scores in board.scores.items()
            if keys
        },
    }


def _breakdown(part: Breakdown) -> dict[str, Any]:
    return {
        "name": part.name,
        "cut": part.cut,
        "unknown": part.unknown,
        "groups": [
            {
                "label": group.label,
                "n": group.images,
                "people": group.people,
                "means": {
                    str(column): [c and [_short(v) for v in c] for c in cells]
                    for column, cells in group.means.items()
                },
            }
            for group in part.groups
        ],
    }
