"""What must hold of a run record's values before anything is computed from them."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Holds = Callable[[Any], bool]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _list(value: Any) -> bool:
    return isinstance(value, list)


def _absent_or(holds: Holds) -> Holds:
    return lambda value: value is None or holds(value)


def _list_of(holds: Holds) -> Holds:
    return lambda value: isinstance(value, list) and all(map(holds, value))


def _interval(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_number, value))


_RECORD: dict[str, tuple[Holds, str]] = {
    "method": (_text, "text"),
    "label": (_absent_or(_text), "text"),
    "scale": (_absent_or(_text), "text"),
    "data": (_text, "text"),
    "origin": (_text, "text"),
    "started": (_text, "text"),
    "lr_hash": (_absent_or(_text), "text"),
    "sr_hash": (_absent_or(_text), "text"),
    "n_images": (_whole, "a whole number"),
    "protocol": (_mapping, "a mapping"),
    "metrics": (_mapping, "a mapping"),
    "cost": (_mapping, "a mapping"),
    "versions": (_absent_or(_mapping), "a mapping"),
    "config": (_absent_or(_mapping), "a mapping"),
    "budget": (_absent_or(_mapping), "a mapping"),
    "trained_on": (_list, "a list"),
    "weights": (_absent_or(_list_of(_mapping)), "a list of mappings"),
    "metrics_failed": (_absent_or(_mapping), "a mapping"),
    "metrics_skipped": (_absent_or(_mapping), "a mapping"),
    "data_sources": (_absent_or(_list_of(_mapping)), "a list of mappings"),
    "prior": (_absent_or(_mapping), "a mapping"),
    "adaptation": (_absent_or(_mapping), "a mapping"),
    "test_overlap": (_absent_or(_mapping), "a mapping"),
    "loss_networks": (_absent_or(_list_of(_text)), "a list of names"),
    "verified": (_absent_or(_list_of(_mapping)), "a list of mappings"),
}
_PROTOCOL = {
    "name": (_text, "text"),
    "version": (lambda value: _whole(value) or _text(value), "a whole number"),
    "hash": (_text, "text"),
}
_METRIC = {
    "value": (_absent_or(_number), "a number"),
    "higher_is_better": (_absent_or(lambda value: isinstance(value, bool)), "true or false"),
    "n": (_absent_or(_whole), "a whole number"),
    "ci95": (_absent_or(_interval), "two numbers"),
    "settings": (_absent_or(_mapping), "a mapping"),
    "floor": (_absent_or(_number), "a number"),
    "not_scored": (_absent_or(_whole), "a whole number"),
    "spread": (_absent_or(_number), "a number"),
}
_COST = {
    name: (_absent_or(_number), "a number") for name in ("params", "flops", "seconds_per_image")
}
_BUDGET = {"images": (_number, "a number"), "declared": (_number, "a number")}
_TRAINED = {"images": (_number, "a number")}
_SOURCES = {"sources": (_absent_or(_list_of(_mapping)), "a list of mappings")}
_SOURCE = {"images": (_absent_or(_mapping), "a mapping")}
_PRIOR = {"trained_on": (_absent_or(_list_of(_mapping)), "a list of mappings")}
_OVERLAP = {"images": (_absent_or(_whole), "a whole number")}
_ADAPTATION = {
    "seeds": (_absent_or(_list), "a list"),
    "conditions": (_absent_or(_list), "a list"),
    "strategy": (_absent_or(_text), "text"),
}
_OPTIONAL = {"prior": _PRIOR, "adaptation": _ADAPTATION, "test_overlap": _OVERLAP}
_CONFIG = {key: (_absent_or(_mapping), "a mapping") for key in ("data", "method", "table")}


def wrong_shape(record: Mapping[str, Any]) -> str | None:
    """The first value of a complete record that is not of its kind, as part of a sentence."""
    parts: list[tuple[str, Any, Mapping[str, tuple[Holds, str]]]] = [("", record, _RECORD)]
    if wrong := _first_wrong(parts):
        return wrong
    metrics, trained = record["metrics"], record["trained_on"]
    parts = [("protocol", record["protocol"], _PROTOCOL), ("cost", record["cost"], _COST)]
    parts += [(f"metrics.{key}", metric, _METRIC) for key, metric in metrics.items()]
    for number, entry in enumerate(trained):
        counted = isinstance(entry, dict) and "images" in entry
        parts.append((f"trained_on[{number}]", entry, (_TRAINED if counted else {}) | _SOURCES))
    if record.get("budget") is not None:
        parts.append(("budget", record["budget"], _BUDGET))
    parts.append(("config", record["config"] or {}, _CONFIG))
    parts += [(key, record.get(key) or {}, rules) for key, rules in _OPTIONAL.items()]
    if wrong := _first_wrong(parts):
        return wrong
    sources = [*(record.get("data_sources") or ()), *_sources_of(trained)]
    return _first_wrong([("a source of the data", source, _SOURCE) for source in sources])


def _sources_of(trained: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [source for entry in trained for source in entry.get("sources") or ()]


def _first_wrong(
    parts: Sequence[tuple[str, Any, Mapping[str, tuple[Holds, str]]]],
) -> str | None:
    for place, content, rules in parts:
        if not isinstance(content, dict):
            return f"{place} is not a mapping"
        for key, (holds, kind) in rules.items():
            if not holds(content.get(key)):
                return f"{f'{place}.{key}'.lstrip('.')} is not {kind}"
    return None
