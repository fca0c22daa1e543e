"""Which data sets can be prepared: every YAML in ``conf/prepare/``, ours and the user's."""

import difflib
import inspect
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facesr_bench.cli import choices
from facesr_bench.errors import ConfigError, UsageError, first_line
from facesr_bench.prepare.recipe import Recipe

GROUP = "prepare"


def recipe_file(name: str, config_dirs: Sequence[str]) -> Path:
    """The YAML of a recipe; the user's folders come before ours.

    Raises:
        UsageError: there is none; the sentence lists what exists.
    """
    from importlib.resources import files

    for root in [*map(Path, config_dirs), Path(str(files("facesr_bench.conf")))]:
        path = root / GROUP / f"{name}.yaml"
        if path.is_file():
            return path
    known = choices(GROUP, config_dirs)
    close = difflib.get_close_matches(name, known, n=1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    raise UsageError(
        f"There is no recipe {name!r}.{meant} Known: {', '.join(known) or 'none'}; facesr-bench "
        "prepare --list describes them."
    )


def read_settings(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """A recipe's YAML with ``ARGUMENT=VALUE`` overrides, resolved.

    Raises:
        ConfigError: it is not YAML, names no class, or an override is no assignment.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    odd = [word for word in overrides if "=" not in word or word.startswith("=")]
    if odd:
        raise UsageError(f"--set {odd[0]} is not of the form ARGUMENT=VALUE.")
    try:
        config = OmegaConf.merge(OmegaConf.load(path), OmegaConf.from_dotlist(list(overrides)))
        content = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (OmegaConfBaseException, YAMLError, OSError) as error:
        raise ConfigError(f"{path} cannot be used: {first_line(error)}") from error
    if not isinstance(content, dict) or not isinstance(content.get("_target_"), str):
        raise ConfigError(f"{path} names no class: it needs a line _target_: PACKAGE.MODULE.CLASS.")
    return {str(name): value for name, value in content.items()}


def recipe_class(settings: Mapping[str, Any], path: Path) -> type[Recipe]:
    """The class of a recipe.

    Raises:
        ConfigError: it cannot be imported or is no recipe.
    """
    from hydra.utils import get_class

    try:
        found: Any = get_class(settings["_target_"])
    except Exception as error:
        raise ConfigError(
            f"{path} names {settings['_target_']}, which cannot be imported: {first_line(error)}"
        ) from error
    if not issubclass(found, Recipe):
        raise ConfigError(f"{path} names {settings['_target_']}, which is no Recipe.")
    kind: type[Recipe] = found
    return kind


def build_recipe(settings: Mapping[str, Any], path: Path) -> Recipe:
    """The recipe with its arguments.

    Raises:
        UsageError: an argument it does not have.
        ConfigError: a value it does not take.
    """
    from facesr_bench.config import instantiate

    known = inspect.signature(recipe_class(settings, path)).parameters
    unknown = sorted(set(settings) - set(known) - {"_target_"})
    if unknown:
        raise UsageError(
            f"The recipe {path.stem} has no argument {unknown[0]!r}. It has: "
            f"{', '.join(known) or 'none'}."
        )
    recipe: Recipe = instantiate(settings, f"the recipe {path.stem}")
    return recipe


def describe(name: str, config_dirs: Sequence[str]) -> str:
    """What ``--list`` prints of one recipe."""
    path = recipe_file(name, config_dirs)
    try:
        settings = read_settings(path)
        found = recipe_class(settings, path)
    except ConfigError as error:
        return f"{name}\n  cannot be used: {error}"
    arguments = {key: value for key, value in settings.items() if key != "_target_"}
    facts = {
        "licence": found.licence,
        "get it": found.where,
        "files": ", ".join(found.expected),
        "their size": found.disk,
        "makes": f"{found.size}x{found.size} images by default (--size), {found.operator}",
        "--set": " ".join(f"{key}={_shown(value)}" for key, value in arguments.items())
        or "nothing",
    }
    lines = [f"{name}: {found.title}"]
    for label, text in facts.items():
        lines += textwrap.wrap(
            str(text), 100, initial_indent=f"  {label:<11}", subsequent_indent=" " * 13,
            break_on_hyphens=False, break_long_words=False,
        )  # fmt: skip
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
