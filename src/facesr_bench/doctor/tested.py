"""The versions every test passed with, and how those here differ."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path
from types import TracebackType

import facesr_bench

FILE = "constraints.txt"
"""Pins, one ``name==version`` a line: at the root of a checkout, beside the package in a wheel."""

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(>=(?P<bound>[^;]+))?(; extra == .(?P<extra>\w+).)?"
)


@dataclass(frozen=True)
class Needed:
    """A package that facesr-bench names.

    Attributes:
        name: as on the package index.
        bound: the oldest version that will do, or None.
        extra: which extra brings it, or None for one that every run needs.
    """

    name: str
    bound: str | None
    extra: str | None

    @property
    def here(self) -> str | None:
        """The installed version, or None."""
        return installed_version(self.name)

    @property
    def tested(self) -> str | None:
        """The version every test passed with, or None where no test needs it."""
        return pinned_versions().get(normalised(self.name))


def normalised(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@lru_cache(maxsize=1)
def pinned_versions() -> Mapping[str, str]:
    """Normalised name to version, as in ``constraints.txt``; empty where the file is not there."""
    for folder in facesr_bench.__path__:
        path = Path(folder) / FILE
        if path.is_file():
            lines = (line.partition("==") for line in path.read_text("utf-8").splitlines())
            return {normalised(name): pinned for name, found, pinned in lines if found}
    return {}


def needed_packages() -> list[Needed]:
    """What the installed distribution asks for, without the extra for our own tests."""
    try:
        lines = requires("facesr-bench") or []
    except PackageNotFoundError:  # the sources were put on the path by hand
        return []
    found = (match for line in lines if (match := _REQUIREMENT.fullmatch(line)))
    return [
        Needed(match["name"], match["bound"], match["extra"])
        for match in found
        if match["extra"] != "dev"
    ]


def installed_version(name: str) -> str | None:
    """The version of a package here, without a build's local part (``2.13.0+cpu`` is 2.13.0)."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return None


def numbers(text: str) -> tuple[int, ...]:
    """A version's release numbers, to compare two: (2, 14, 1); what follows them does not count."""
    head = re.match(r"\d+(\.\d+)*", text)
    parts = tuple(int(part) for part in head[0].split(".")) if head else ()
    return parts + (0,) * (4 - len(parts))


def difference(name: str) -> str | None:
    """As in: torch 2.15.0 is newer than 2.14.1, which was tested. None where they are the same."""
    here, tested = installed_version(name), pinned_versions().get(normalised(name))
    if here is None or tested is None or numbers(here) == numbers(tested):
        return None
    order = "newer" if numbers(here) > numbers(tested) else "older"
    return f"{name} {here} is {order} than {tested}, which was tested"


def suspects(error: BaseException) -> list[str]:
    """Packages in which an error arose, or which it names, in another version than was tested.

    Returns:
        One sentence for each: the version, and what to do.
    """
    owners = packages_distributions()
    modules = dict.fromkeys([*_innermost_first(error), *re.findall(r"\b[a-z]\w+\b", str(error))])
    names = dict.fromkeys(owner for module in modules for owner in owners.get(module, ()))
    found = ((name, differs) for name in names if (differs := difference(name)))
    return [
        f"{differs}. If that is the cause: "
        f"pip install '{name}=={pinned_versions()[normalised(name)]}'"
        for name, differs in found
    ]


def _innermost_first(error: BaseException) -> Iterator[str]:
    """Top-level modules an error came through, from where it was raised; and those of its causes."""
    while error is not None:
        yield from reversed([*_modules(error.__traceback__)])
        if isinstance(error, ImportError) and error.name:
            yield error.name.partition(".")[0]
        cause = error.__cause__ or error.__context__
        if cause is None:
            return
        error = cause


def _modules(trace: TracebackType | None) -> Iterator[str]:
    while trace is not None:
        yield trace.tb_frame.f_globals.get("__name__", "").partition(".")[0]
        trace = trace.tb_next
