"""Everything one measure lacks in one message: nobody should fetch a file to be told of the next."""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import TypeVar

from facesr_bench.errors import MissingRequirement

First = TypeVar("First")
Second = TypeVar("Second")


def require(first: Callable[[], First], second: Callable[[], Second]) -> tuple[First, Second]:
    """Call both, also where something is missing for the first; nest it for more than two.

    Raises:
        MissingRequirement: what is missing for either, or for both, each sentence once.
        Exception: whatever else one of them raises, at once.
    """
    missing: list[str] = []
    results: list[First | Second] = []
    for call in (first, second):
        try:
            results.append(call())
        except MissingRequirement as error:
            if str(error) not in missing:
                missing.append(str(error))
    if missing:
        raise MissingRequirement("; and ".join(missing))
    return results[0], results[1]  # type: ignore[return-value]


def installed(name: str) -> ModuleType:
    """An optional package, imported.

    Raises:
        MissingRequirement: it is not installed, or something it needs is not.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingRequirement(
            f"the package {name} is missing ({error}): pip install {name}"
        ) from error
