"""Whether a record used a method as its YAML composes it: what else of it was switched.

The YAML is read as data, without Hydra and without the method: tables never import it.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

UNCOUNTED: Mapping[str, str] = {
    "name": "says which method it is",
    "_target_": "says where its code lies",
    "hr_size": "follows from the data, which the protocol tells",
    "factor": "follows from the data, which the protocol tells",
    "seed": "is the run's",
    "prior": "is chosen by the size of the faces; the row's division tells its data, not its family",
    "budget": "is told by the row's marks",
    "shipped": "names weights that come with the package",
    "cost": "is what the checks compare",
    "channels_last": "changes the speed, numbers up to rounding",
    "compile": "changes the speed, numbers up to rounding",
    "fused": "changes the speed, numbers up to rounding",
    "noise_seed": "draws the same noise in another order",
    "consistency_every": "says how often a training looks at itself",
    "pulse.batch_size": "is how many images fit in memory, each searched on its own",
    "psp.weights": "names the authors' file; the row's division tells it",
    "propulse.critic_weights": "goes with the prior, as the experiments give it",
}
"""Arguments by which no printed row is told from another run, and why: ``NAME``, or ``METHOD.NAME``."""

_SCALE_OF = "${scale_of:"


@cache
def arguments_of(method: str, scale: str) -> Mapping[str, Any]:
    """What a method's YAML in the package composes at a scale; empty for one that has none there.

    Args:
        method: its name, as in records.
        scale: "full", "slim" or "smoke".
    """
    path = files("facesr_bench.conf") / "method" / f"{method}.yaml"
    if not method.isidentifier() or not path.is_file():
        return {}
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    content.pop("defaults", None)
    return {name: _at(value, scale) for name, value in content.items()}


def unprinted(record: Mapping[str, Any], told: Mapping[str, Any]) -> list[str]:
    """Arguments of a record's method that are neither a row's own nor as the YAML has them.

    The YAML's value is that of the run's scale or of the paper's size. An argument that the record
    has not was not there when it was made, and is as it was then; one that the YAML has not is other.

    Args:
        record: a run record.
        told: the row's own switches, which are compared elsewhere.

    Returns:
        ``name=value`` of each, as an override would have it.
    """
    config = record.get("config") or {}
    method = str(record["method"])
    scale = str(record.get("scale") or config.get("scale") or "full")
    composed = [arguments_of(method, s) for s in dict.fromkeys((scale, "full"))]
    if not composed[0]:
        return []
    return [
        f"{name}={_text(value)}"
        for name, value in (config.get("method") or {}).items()
        if name not in told
        and not {name, f"{method}.{name}"} & set(UNCOUNTED)
        and not any(name in known and _same(known[name], value) for known in composed)
    ]


def _at(value: Any, scale: str) -> Any:
    if not isinstance(value, str) or not value.startswith(_SCALE_OF):
        return value
    choices = yaml.safe_load(value.removeprefix(_SCALE_OF).removesuffix("}"))
    return choices.get(scale, choices["full"])


def _same(a: Any, b: Any) -> bool:
    """Equal, where 1 is 1.0 but not true, in lists and tables too."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        keys = {str(key): value for key, value in b.items()}
        return len(a) == len(b) and all(
            str(key) in keys and _same(value, keys[str(key)]) for key, value in a.items()
        )
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)


def _text(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")
