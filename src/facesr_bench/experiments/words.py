"""Overrides of ``method.`` and ``data.`` on the command line of a table, whose cells choose both."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

OF_CELLS = ("method.", "data.")


def loosened(words: Sequence[str], config_dirs: Sequence[str]) -> dict[str, str]:
    """Words that Hydra would refuse before a cell is reached, by what to write for it instead.

    A table as such has neither method nor data, so Hydra sees ``++method.X`` for ``method.X``; each
    cell gets the word as it was typed, and a key that its method lacks is refused there.

    Args:
        words: of the command line.
        config_dirs: the user's folders beside ours.
    """
    if not {"-m", "--multirun"} & set(words):
        return {}
    chosen = [word.split("=", 1)[1] for word in words if word.startswith("experiment=")]
    if not chosen or "table" not in _yaml(f"experiment/{chosen[-1]}", config_dirs):
        return {}
    return {f"++{word}": word for word in words if word.startswith(OF_CELLS)}


def taken_by(run: Sequence[str], words: Sequence[str]) -> list[str]:
    """Of the user's words those that a cell with these overrides can take.

    Cells of one table may be of several methods, and an argument of one is none of another.
    """
    methods = [word.split("=", 1)[1] for word in run if word.startswith("+method=")]
    known = _yaml(f"method/{methods[-1]}", ()) if methods else {}
    return [
        word
        for word in words
        if not known or not _of_method(word) or argument(word) in known or word.startswith("+")
    ]


def argument(word: str) -> str:
    """The argument that ``method.NAME=...`` or ``method.NAME.PART=...`` sets."""
    return word.lstrip("+~").split("=", 1)[0].split(".")[1]


def _of_method(word: str) -> bool:
    return word.lstrip("+~").startswith("method.")


def _yaml(name: str, config_dirs: Sequence[str]) -> Mapping[str, Any]:
    """A YAML of the configuration as it is written; empty where there is none."""
    import yaml

    for root in (*map(Path, config_dirs), Path(str(files("facesr_bench.conf")))):
        path = root / f"{name}.yaml"
        if path.is_file():
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            return content if isinstance(content, dict) else {}
    return {}
