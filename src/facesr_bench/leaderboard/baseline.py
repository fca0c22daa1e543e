"""Whether a table has the row everything is compared with, and how to get it."""

import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import yaml

BASELINE = "bicubic"

_INHERITED = {"limit": None}  # of conf/protocol/prepared.yaml: fewer images are another protocol


def missing_baseline(records: Sequence[Mapping[str, Any]]) -> str | None:
    """A sentence with the command that adds bicubic; None where the table has it."""
    if any(record["method"] == BASELINE for record in records):
        return None
    said = f"{BASELINE} was not run on this protocol, so no row shows what plain enlarging scores"
    config = records[0].get("config") or {}
    if config.get("command") == "evaluate":
        folders = "".join(
            f" --{side} {shlex.quote(str(config[side]))}"
            for side in ("hr", "lr")
            if config.get(side)
        )
        command = f"facesr-bench evaluate FOLDER{folders} --name {BASELINE}"
        return f"{said}. With the LR images so enlarged in FOLDER: `{command}`"
    adaptation = records[0].get("adaptation")
    if adaptation:  # a protocol's name tells how many were shown; its data have a name of their own
        data = config["data"]
        words = [f"+method={BASELINE}", *_data_words(str(data["name"]), data)]
        words += _cell_words(config.get("adaptation") or {})
        command = " ".join(map(shlex.quote, words))
        return f"{said}: `facesr-bench adapt {command}`, with the `metrics=` of the rows above"
    words = [f"+method={BASELINE}", *_data_words(str(records[0]["data"]), config.get("data") or {})]
    command = " ".join(map(shlex.quote, words))
    return (
        f"{said}: `python -m facesr_bench {command}`, with the `metrics=` of the rows above, and "
        "their degradation where one was chosen"
    )


def _cell_words(adaptation: Mapping[str, Any]) -> list[str]:
    """The overrides that show and test the same images; bicubic learns nothing of them."""
    chosen = adaptation.get("conditions")
    words = [f"adaptation.{key}={adaptation[key]}" for key in ("k", "seeds") if key in adaptation]
    words += [f"adaptation.conditions=[{','.join(chosen)}]"] if chosen else []
    return [*words, "adaptation.strategy=none"]


def _data_words(name: str, settings: Mapping[str, Any]) -> list[str]:
    """The overrides that choose the data of a run, as far as its resolved settings tell them."""
    for path in sorted((files("facesr_bench.conf") / "data").iterdir(), key=lambda p: p.name):
        if not path.name.endswith(".yaml"):
            continue
        declared = yaml.safe_load(path.read_text(encoding="utf-8"))
        if declared.get("name") == name:
            declared = _INHERITED | declared
            changed = [
                f"data.{key}={'null' if settings[key] is None else settings[key]}"
                for key, value in declared.items()
                if key in settings
                and _plain(value)
                and _plain(settings[key])
                and settings[key] != value
            ]
            return [f"+data={path.name.removesuffix('.yaml')}", *changed]
    return [f"+data={name}"]


def _plain(value: object) -> bool:
    """A value that an override can hold, and that is not computed from others."""
    return not isinstance(value, dict | list) and "${" not in str(value)
