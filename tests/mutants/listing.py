"""The list of planted faults: small old and new texts, one file for each area.

Texts, not line numbers: code that moves inside its file takes its faults along. What is replaced must
occur exactly once, so a fault whose code has changed is noticed (``tests/core/test_mutants.py``).

No mutation tool is used. mutmut and cosmic-ray draw faults from the syntax, thousands of them; neither
takes a list written by hand, nor the tests to run for each fault, and cosmic-ray starts an interpreter,
and so imports PyTorch, for every one.
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class ListError(Exception):
    """A file of faults is not as it should be."""


@dataclass(frozen=True)
class Fault:
    """One planted fault.

    Attributes:
        area: the file it is listed in.
        file: what it changes, relative to the checkout.
        what: what is wrong then, in words.
        old: text that occurs once in the file.
        new: what stands there instead.
        tests: what is run, as pytest takes it.
        survives: why it is known not to be caught.
    """

    area: str
    file: str
    what: str
    old: str
    new: str
    tests: tuple[str, ...]
    survives: str | None = None

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.file}: {self.what}"

    def planted_in(self, text: str) -> str:
        """The file's text with the fault.

        Raises:
            ListError: the old text is not there once, the new one is the same, or it does not parse.
        """
        found = text.count(self.old)
        if found != 1:
            raise ListError(
                f"{self.area}: the old text of {self.name!r} occurs {found} times, not once; the code "
                "has changed, so change the fault with it."
            )
        if self.new == self.old:
            raise ListError(f"{self.area}: {self.name!r} changes nothing.")
        planted = text.replace(self.old, self.new)
        if self.file.endswith(".py"):
            try:
                ast.parse(planted)
            except SyntaxError as error:
                raise ListError(f"{self.area}: {self.name!r} does not parse: {error}.") from None
        return planted


def read_area(path: Path) -> list[Fault]:
    """The faults of one file.

    Raises:
        ListError: a fact is missing, or unknown.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        tests, entries = content["tests"], content["faults"]
        if content.keys() != {"tests", "faults"}:
            raise ListError(f"{path.name} holds more than `tests` and `faults`.")
        return [_fault(path.stem, tests, **entry) for entry in entries]
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise ListError(f"{path.name} is not a list of faults ({error}).") from None


def _fault(
    area: str,
    area_tests: list[str],
    *,
    file: str,
    what: str,
    old: str,
    new: str,
    tests: str | list[str] | None = None,
    survives: str | None = None,
) -> Fault:
    for fact in (file, what, old, new):
        if not isinstance(fact, str):
            raise ListError(f"{area}.yaml: {fact!r} of {what!r} is no text; quote it.")
    chosen: Any = area_tests if tests is None else tests
    chosen = [chosen] if isinstance(chosen, str) else chosen
    return Fault(area, file, what, old, new, tuple(chosen), survives)


def read_areas(folder: Path) -> list[Fault]:
    """The faults of all files of a folder.

    Raises:
        ListError: as :func:`read_area`, or there is none.
    """
    faults = [fault for path in sorted(folder.glob("*.yaml")) for fault in read_area(path)]
    if not faults:
        raise ListError(f"{folder} holds no faults.")
    return faults


def chosen(faults: Iterable[Fault], area: str | None, only: str | None) -> list[Fault]:
    """Those of one area, and those whose name holds a text.

    Raises:
        ListError: there is none.
    """
    left = [f for f in faults if area in (None, f.area) and (only is None or only in f.name)]
    if not left:
        raise ListError("No fault is of that name; `--list` names them all.")
    return left
