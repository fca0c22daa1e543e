"""What a protocol asks of a prepared folder, and the command that prepares it so."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesr_bench.errors import ConfigError, DataError, UsageError
from facesr_bench.prepare.catalog import read_settings, recipe_class, recipe_file
from facesr_bench.prepare.layout import Layout, default_folder


@dataclass(frozen=True)
class Wanted:
    """A prepared folder as a YAML names it.

    Attributes:
        root: the folder; None: where ``prepare`` writes by default.
        recipe: what it must have been prepared with; None where the YAML does not say.
        size: likewise.
        arguments: those of the recipe that the protocol depends on.
        operator: what must have resized (``prepare --operator``); None where nothing was resized, or
            the YAML does not say.
    """

    root: Path | None
    recipe: str | None
    size: int | None
    arguments: Mapping[str, Any]
    operator: str | None = None

    @property
    def folder(self) -> Path:
        """Where it should lie."""
        if self.root is not None:
            return self.root
        return default_folder(str(self.recipe), int(self.size or 0))

    @property
    def command(self) -> str:
        """What prepares it; arguments only where the recipe's own values would not do."""
        words = ["facesr-bench", "prepare", self.recipe or "NAME", "--src", "PATH..."]
        if self.size is not None:
            words += ["--size", str(self.size)]
        if self.operator is not None:
            words += ["--operator", self.operator]
        usual = self._usual()
        pairs = [
            f"{name}={_yaml(value)}"
            for name, value in self.arguments.items()
            if name not in usual or usual[name] != value
        ]
        if pairs:
            words += ["--set", *map(shlex.quote, pairs)]
        if self.root is not None:
            words += ["--out", shlex.quote(str(self.root))]
        return " ".join(words)

    def check(self, layout: Layout, facts: Mapping[str, Any]) -> None:
        """Compare with how a folder was prepared.

        Raises:
            DataError: naming every difference, and the command that leaves none.
        """
        asked = {
            "recipe": self.recipe,
            "version": self._version(),
            "size": self.size,
            "operator": self.operator,
        }
        wrong = [
            f"{name} is {_yaml(facts.get(name))}, not {_yaml(value)}"
            for name, value in asked.items()
            if value is not None and facts.get(name) != value
        ]
        arguments = facts.get("arguments", {})
        wrong += [
            f"{name} is {_yaml(arguments[name]) if name in arguments else 'not set'}, "
            f"not {_yaml(value)}"
            for name, value in self.arguments.items()
            if name not in arguments or arguments[name] != value
        ]
        if wrong:
            raise DataError(
                f"{layout.root} was prepared otherwise than this protocol needs: {'; '.join(wrong)}. "
                "Delete that folder, or add --out DIR here and say root: DIR in data.source: "
                f"{self.command}"
            )

    def _version(self) -> int | None:
        """Of the recipe as it is now: one that gives other images than it once did has another."""
        try:
            path = recipe_file(str(self.recipe), ())
            return recipe_class(read_settings(path), path).version
        except (ConfigError, UsageError):
            return None

    def _usual(self) -> Mapping[str, Any]:
        """The recipe's own values; none for a recipe in a folder of the user's."""
        try:
            return read_settings(recipe_file(str(self.recipe), ()))
        except (ConfigError, UsageError):
            return {}


def _yaml(value: Any) -> str:
    if isinstance(value, str):
        return value
    # JSON is YAML, and keeps "05_1" a text where it stands in a list.
    return json.dumps(value)
