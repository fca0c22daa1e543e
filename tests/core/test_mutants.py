"""The planted faults of ``make mutants`` still fit the code, and their runner sees what it should."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from command_line import ROOT
from mutants.listing import Fault, ListError, chosen, read_area, read_areas
from mutants.planting import Verdict
from mutants.scratch import checkout_files, copy_checkout, planted
from mutants.telling import is_good, table

LISTS = ROOT / "tests" / "mutants"
FEWEST = 120

WITHOUT: dict[str, str] = {}
"""Folders of code that have no fault on purpose, and why."""


@pytest.fixture(scope="module")
def faults() -> list[Fault]:
    return read_areas(LISTS)


def test_every_fault_can_be_planted(faults: list[Fault]) -> None:
    """Its text occurs once; what comes of it is another text, and still Python."""
    for fault in faults:
        fault.planted_in((ROOT / fault.file).read_text(encoding="utf-8"))


def test_the_tests_of_every_fault_exist(faults: list[Fault]) -> None:
    assert not {
        word
        for fault in faults
        for word in fault.tests
        if not (ROOT / word.partition("::")[0]).is_file()
    }
    assert not [fault.name for fault in faults if not fault.tests]


def test_there_are_enough_and_each_is_told_once(faults: list[Fault]) -> None:
    assert len(faults) >= FEWEST
    assert [name for name, count in Counter(f.name for f in faults).items() if count > 1] == []


def test_few_are_known_to_survive(faults: list[Fault]) -> None:
    """At most one an area, and one in fifty of all, each with its reason."""
    known = [fault for fault in faults if fault.survives is not None]
    assert len(known) <= len(faults) / 50
    assert all(fault.survives and fault.survives.strip() for fault in known)
    assert max(Counter(fault.area for fault in known).values(), default=0) <= 1


def test_every_part_of_the_code_has_faults(faults: list[Fault]) -> None:
    package = ROOT / "src" / "facesr_bench"
    parts = [
        path.relative_to(ROOT).as_posix()
        for folder in (package, ROOT / "methods", ROOT / "datasets")
        for path in sorted(folder.iterdir())
        if path.is_dir() and any(path.rglob("*.py"))
    ]
    assert len(parts) > 20
    bare = [p for p in parts if not any(fault.file.startswith(f"{p}/") for fault in faults)]
    assert bare == sorted(WITHOUT)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tests: [x]\nfaults: [{file: a.py, what: w, old: '1'}]", "missing"),
        ("tests: [x]\nfaults: [{file: a.py, what: w, old: '1', new: '2', oops: 3}]", "oops"),
        ("tests: [x]\nfaults: []\nfault: []", "more than"),
        ("faults: []", "tests"),
        ("tests: [x]\nfaults: [{file: a.py, what: w, old: '1', new: 2}]", "2 of 'w' is no text"),
        ("tests: [x\n", "not a list"),
    ],
)
def test_a_list_that_is_no_list_is_told(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "area.yaml").write_text(text)
    with pytest.raises(ListError, match=said):
        read_area(tmp_path / "area.yaml")


def test_a_fault_that_does_not_fit_the_code_is_told() -> None:
    fault = Fault("area", "a.py", "what", "x = 1", "x = 2", ("t",))
    assert fault.planted_in("x = 1\n") == "x = 2\n"
    for code, change, said in (
        ("y = 1\n", {}, "0 times"),
        ("x = 1\nx = 1\n", {}, "2 times"),
        ("x = 1\n", {"new": "x = 1"}, "changes nothing"),
        ("x = 1\n", {"new": "x = ("}, "does not parse"),
    ):
        with pytest.raises(ListError, match=said):
            dataclasses.replace(fault, **change).planted_in(code)


def test_faults_are_chosen_by_area_and_by_text() -> None:
    some = [Fault(a, f"{a}.py", w, "1", "2", ("t",)) for a, w in ("ab", "ac", "bb")]
    assert chosen(some, "a", None) == some[:2]
    assert chosen(some, "a", ": b") == some[:1]
    with pytest.raises(ListError):
        chosen(some, "c", None)


CODE = '''\
def add(a: int, b: int) -> int:
    """The sum."""
    return a + b


# Twice.
def twice(a: int) -> int:
    """Two of it."""
    return a * 2


def count(n: int) -> int:
    """Down to nothing."""
    while n > 0:
        n -= 1
    return n
'''

TESTS = """\
import os
import subprocess
import sys

from toy import add, count, twice


def test_add():
    assert add(2, 3) == 5


def test_add_in_another_process():
    code = "import toy, sys; sys.exit(toy.add(1, 1) != 2)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_twice():
    assert twice(2) == 4


def test_count():
    assert count(3) == 0


def test_broken():
    assert False
"""

LIST = """\
tests: [tests/test_toy.py::test_add]
faults:
  - {file: src/toy.py, what: a minus, old: a + b, new: a - b}
  - {file: src/toy.py, what: seen by another process only, old: a + b, new: a - b,
     tests: tests/test_toy.py::test_add_in_another_process}
  - {file: src/toy.py, what: same length and second, old: a + b, new: a | b,
     tests: ['tests/test_toy.py::test_add', 'tests/test_toy.py::test_twice']}
  - {file: src/toy.py, what: no import, old: '# Twice.', new: import nothing_of_that_name,
     tests: tests/test_toy.py::test_twice}
  - {file: src/toy.py, what: named, old: a * 2, new: a ** 2, tests: tests/test_toy.py::test_twice,
     survives: two and two is two times two}
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A checkout with one module and its tests."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    root = tmp_path / "toy"
    for name, text in {"src/toy.py": CODE, "tests/test_toy.py": TESTS}.items():
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(text)
    (root / "tests" / "mutants").mkdir()
    (root / "pytest.ini").write_text("[pytest]\n")
    (root / ".gitignore").write_text("left_out.txt\n")
    (root / "left_out.txt").write_text("of this machine")
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    return root


def mutants(root: Path, faults: str, *words: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code and verdicts of a run on a checkout with this list, and what it said."""
    (root / "tests" / "mutants" / "toy.yaml").write_text(faults)
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(LISTS.parent), os.environ["PYTHONPATH"]]),
    }
    done = subprocess.run(
        [sys.executable, "-m", "mutants", "--root", str(root), "--json", *words],
        env=env, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout or "[]"), done.stderr


BAD = """\
tests: [tests/test_toy.py::test_twice]
faults:
  - {file: src/toy.py, what: unseen, old: a * 2, new: a ** 2}
  - {file: src/toy.py, what: of a broken test, old: a + b, new: a - b,
     tests: tests/test_toy.py::test_broken}
  - {file: src/toy.py, what: of no test, old: a + b, new: a - b, tests: tests/test_toy.py::test_nowhere}
"""


def test_faults_are_caught(toy: Path) -> None:
    """Also in processes that tests start, and though file size and second stay the same."""
    code, found, said = mutants(toy, LIST)
    told = {verdict["fault"]["what"]: verdict for verdict in found}
    assert {what: verdict["caught"] for what, verdict in told.items()} == {
        "a minus": True,
        "seen by another process only": True,
        "same length and second": True,
        "no import": True,
        "named": False,
    }, said
    assert told["a minus"]["how"] == "tests/test_toy.py::test_add"
    assert code == 0, "a survivor that the list names is no failure"
    assert (toy / "src" / "toy.py").read_text() == CODE


def test_a_survivor_and_a_broken_baseline_are_failures(toy: Path) -> None:
    code, found, said = mutants(toy, BAD)
    told = {verdict["fault"]["what"]: verdict["caught"] for verdict in found}
    assert told == {"unseen": False, "of a broken test": None, "of no test": None}, said
    assert code == 1
    assert "FAILS without a fault: tests/test_toy.py::test_broken" in said
    assert len(re.findall("SURVIVED.*src/toy.py: unseen", said)) == 1


@pytest.mark.parametrize("caught", [True, False, None])
def test_one_bad_verdict_is_enough(caught: bool | None) -> None:
    fault = Fault("area", "a.py", "what", "1", "2", ("t",))
    assert is_good(Verdict(fault, caught, "", 0.0)) == (caught is True)
    named = dataclasses.replace(fault, survives="why")
    assert is_good(Verdict(named, caught, "", 0.0)) == (caught is not None)
    assert "a.py: what" in table([Verdict(fault, caught, "", 0.0)]) or caught


HANGS = """\
tests: [tests/test_toy.py::test_count]
faults: [{file: src/toy.py, what: for ever, old: n -= 1, new: n -= 0}]
"""


def test_a_fault_that_hangs_is_ended_and_caught(toy: Path) -> None:
    code, (verdict,), _ = mutants(toy, HANGS, "--patience", "2")
    assert (code, verdict["caught"]) == (0, True)
    assert verdict["how"].startswith("hung")


def test_a_list_that_does_not_fit_runs_nothing(toy: Path) -> None:
    code, found, said = mutants(toy, LIST.replace("a + b", "a & b"))
    assert (code, found) == (2, [])
    assert "occurs 0 times" in said


def test_the_copy_is_the_checkout_as_it_lies_there(toy: Path, tmp_path: Path) -> None:
    (toy / "new_test.py").write_text("")
    copy_checkout(toy, tmp_path / "copy")
    assert {"new_test.py", "src/toy.py"} <= set(checkout_files(toy))
    assert (tmp_path / "copy" / "new_test.py").is_file()
    assert not (tmp_path / "copy" / "left_out.txt").exists()
    fault = Fault("toy", "src/toy.py", "a minus", "a + b", "a - b", ("t",))
    with planted(fault, tmp_path / "copy"):
        assert "a - b" in (tmp_path / "copy" / "src" / "toy.py").read_text()
    assert (tmp_path / "copy" / "src" / "toy.py").read_text() == CODE
    assert (toy / "src" / "toy.py").read_text() == CODE
