"""Which measures of a configuration were made of a file of ``conf/measure``, under whatever label."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml


def made_of(name: str, measures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Labels of the measures made of a file.

    A composed measure does not say which file it is of; its class does, and where several files give
    one class (``lpips_alex``, ``lpips_vgg``), the arguments that tell them apart do.

    Args:
        name: of the file, without ``.yaml``.
        measures: label to ``_target_`` and arguments, as composed.
    """
    known = _files()
    if name not in known:
        return []
    target = known[name].get("_target_")
    alike = [content for content in known.values() if content.get("_target_") == target]
    telling = {
        key: value
        for key, value in known[name].items()
        if any(other.get(key) != value for other in alike)
    }
    return [
        label
        for label, node in measures.items()
        if node.get("_target_") == target
        and all(node.get(key) == value for key, value in telling.items())
    ]


@cache
def _files() -> Mapping[str, Mapping[str, Any]]:
    folder = files("facesr_bench.conf") / "measure"
    return {
        path.name.removesuffix(".yaml"): yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in folder.iterdir()
        if path.name.endswith(".yaml")
    }
