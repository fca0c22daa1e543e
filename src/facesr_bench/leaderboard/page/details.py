"""Everything a record says of a run, down to the resolved configuration."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from facesr_bench.console import format_count
from facesr_bench.leaderboard.model import Row
from facesr_bench.leaderboard.page.html import Content, Html, join, tag
from facesr_bench.leaderboard.page.rows import marks_of
from facesr_bench.leaderboard.page.runs import Run

_TABLED = (
    "metrics",
    "config",
    "cost",
    "weights",
    "trained_on",
    "metrics_skipped",
    "metrics_failed",
)
_FIRST = ("method", "label", "paper", "scale", "origin", "data", "protocol", "n_images", "started")


def details(run: Run, row: Row, number: int) -> Html:
    """One run, folded; its id is what the table links to."""
    record = run.record
    title = tag(
        "summary",
        tag("i", class_=f"swatch c{number % 8}", aria_hidden="true"),
        tag("b", run.name),
        *marks_of(row),
        tag("span", f"{record['origin']}, {record['started']}", class_="quiet"),
    )
    return tag(
        "details",
        title,
        *(tag("p", problem, class_="note warn") for problem in run.problems),
        _judgement(row),
        _facts(record),
        _cost(record["cost"] or {}),
        _weights(record["weights"] or []),
        _trained_on(record["trained_on"] or []),
        _metrics(record["metrics"]),
        _reasons("Failed", record.get("metrics_failed") or {}),
        _reasons("Not computed", record.get("metrics_skipped") or {}),
        tag("h4", "Resolved configuration"),
        tag("pre", as_yaml(record.get("config") or {}), tabindex="0"),
        id=f"run-{number}",
        class_="run",
    )


def _judgement(row: Row) -> Html:
    """Where the weights come from, how far the method is verified, and every mark with its reason."""
    told: list[tuple[str, str]] = [("division", str(row.division))]
    if row.status is not None:
        told.append(("status", f"{row.status.name}: {row.status.reason}"))
    if row.superseded:
        told.append(("superseded", row.superseded))
    told += [(mark.text, mark.why) for mark in row.marks]
    return tag("dl", *(tag("div", tag("dt", a), tag("dd", b)) for a, b in told), class_="judged")


def _facts(record: Mapping[str, Any]) -> Html:
    """All plain entries of a record, the ones readers look for first."""
    names = [*_FIRST, *(name for name in record if name not in (*_FIRST, *_TABLED))]
    pairs = []
    for name in names:
        value = record.get(name)
        if value in (None, "", [], {}):
            continue
        shown: Content = value if isinstance(value, str) else None
        if isinstance(value, dict | list):
            shown = tag("pre", as_yaml(value), tabindex="0") if _long(value) else _inline(value)
        elif not isinstance(value, str):
            shown = (
                f"{value:,}" if isinstance(value, int | float) and name != "schema" else str(value)
            )
        pairs.append(tag("div", tag("dt", name), tag("dd", shown if shown is not None else "")))
    return tag("dl", *pairs)


def _long(value: Mapping[str, Any] | Sequence[Any]) -> bool:
    return len(json.dumps(value, default=str)) > 160


def _inline(value: Mapping[str, Any] | Sequence[Any]) -> str:
    if isinstance(value, Mapping):
        return home_free(", ".join(f"{name}: {part}" for name, part in value.items()))
    return home_free(", ".join(map(str, value)))


def _cost(cost: Mapping[str, Any]) -> Html | None:
    if not cost:
        return None
    rows = [
        (name, f"{value:,}" if isinstance(value, int) else str(value), _counted(name, value))
        for name, value in cost.items()
    ]
    return _table("Cost", ("what", "value", ""), rows)


def _counted(name: str, value: object) -> str:
    large = isinstance(value, int) and value >= 10_000
    return format_count(value, "B" if name.endswith("bytes") else "") if large else ""  # type: ignore[arg-type]


def _weights(files: Sequence[Mapping[str, Any]]) -> Html | None:
    rows = [
        (
            home_free(str(f.get("name") or f.get("file") or "–")),
            str(f.get("role", "")),
            str(f.get("sha256", "")),
        )
        for f in files
    ]
    return _table("Weights that were read", ("file", "role", "sha256"), rows)


def _trained_on(entries: Sequence[Mapping[str, Any]]) -> Html | None:
    rows = [
        (
            str(entry.get("data", "")),
            f"{entry['images']:,}" if isinstance(entry.get("images"), int) else "",
            home_free(json.dumps({k: v for k, v in entry.items() if k not in ("data", "images")})),
        )
        for entry in entries
    ]
    return _table("Trained on", ("data", "images", "more"), rows)


def _metrics(metrics: Mapping[str, Mapping[str, Any]]) -> Html | None:
    rows = []
    for key, metric in metrics.items():
        ends = metric.get("ci95")
        interval = f"[{ends[0]:.6g}, {ends[1]:.6g}]" if ends else "–"
        how = f"{metric['ci_kind']} of {metric.get('ci_units')}" if metric.get("ci_kind") else ""
        settings = json.dumps(metric.get("settings", {}), ensure_ascii=False)
        value = metric.get("value")
        shown = "–" if value is None else f"{value:.6g}"
        rows.append((key, shown, interval, how, str(metric.get("n", "")), home_free(settings)))
    return _table("Metrics", ("key", "value", "95 %", "interval", "n", "settings"), rows)


def _reasons(title: str, reasons: Mapping[str, str]) -> Html | None:
    return _table(title, ("metric", "reason"), [(k, home_free(str(v))) for k, v in reasons.items()])


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Html | None:
    if not rows:
        return None
    return join(
        tag("h4", title),
        tag(
            "div",
            tag(
                "table",
                tag("thead", tag("tr", *(tag("th", name, scope="col") for name in head))),
                tag("tbody", *(tag("tr", *(tag("td", cell) for cell in row)) for row in rows)),
            ),
            class_="scroll",
            tabindex="0",
            role="region",
            aria_label=title,
        ),
    )


def as_yaml(value: object) -> str:
    """Plain values as YAML, the keys in their own order."""
    plain = json.loads(json.dumps(value, default=str))
    return home_free(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100).rstrip())


def home_free(shown: str) -> str:
    """Text without the name of the user's home folder: pages are made to be published."""
    home = str(Path.home())
    return shown.replace(home, "~") if len(home) > 1 else shown
