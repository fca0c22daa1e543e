"""``facesr-bench doctor`` says what is there, names what breaks with its version, and what to do."""

import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from facesr_bench.cli import report
from facesr_bench.doctor import __main__ as command
from facesr_bench.doctor import imports, tested
from facesr_bench.doctor import report as reports
from facesr_bench.doctor.imports import failures
from facesr_bench.doctor.surroundings import folder_problems, shortened
from facesr_bench.doctor.tested import Needed, difference, pinned_versions, suspects

MODULES = {
    "doc_fine": "",
    "doc_missing_name": "from json import nothing_of_that_name",
    "doc_aborts": "import os; os.abort()",
    "doc_exits": "raise SystemExit(3)",
    "doc_hangs": "import time; time.sleep(600)",
}


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return list(MODULES)


def test_each_package_that_does_not_import_is_named_also_when_it_ends_the_process(
    modules: list[str],
) -> None:
    found = failures([*modules[:4], "json", "doc_not_there"])
    assert list(found) == ["doc_missing_name", "doc_aborts", "doc_exits", "doc_not_there"]
    assert found["doc_missing_name"].startswith("ImportError: cannot import name")
    assert found["doc_aborts"] == "ends the process with signal 6"
    assert found["doc_exits"] == "SystemExit: 3"
    assert found["doc_not_there"] == "ModuleNotFoundError: No module named 'doc_not_there'"


def test_a_package_that_hangs_is_named(modules: list[str]) -> None:
    assert failures(["doc_fine", "doc_hangs"], timeout=3) == {"doc_hangs": "did not end within 3 s"}


@pytest.mark.parametrize(
    ("here", "pinned", "said"),
    [
        ("2.15.0", "2.14.1", "omegaconf 2.15.0 is newer than 2.14.1, which was tested"),
        ("2.9.0", "2.14.1", "omegaconf 2.9.0 is older than 2.14.1, which was tested"),
        ("2.13.0+cpu", "2.13.0", None),
        ("2.13", "2.13.0", None),
        ("2.13.0.post1", "2.13.0", None),
    ],
)
def test_versions_are_compared_as_numbers_and_builds_of_one_version_are_one(
    here: str, pinned: str, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tested, "pinned_versions", lambda: {"omegaconf": pinned})
    monkeypatch.setattr(tested, "version", lambda _: here)
    assert difference("omegaconf") == said


def _failing_in_omegaconf() -> Exception:
    from omegaconf import OmegaConf

    try:
        OmegaConf.create(object())
    except Exception as error:
        return error
    raise AssertionError("omegaconf took anything")


def test_an_error_out_of_an_untested_version_names_it_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = _failing_in_omegaconf()
    assert suspects(error) == [] or version("omegaconf") != pinned_versions()["omegaconf"]
    monkeypatch.setattr(tested, "pinned_versions", lambda: {"omegaconf": "1.0"})
    here = version("omegaconf")
    said = (
        f"omegaconf {here} is newer than 1.0, which was tested. If that is the cause: "
        "pip install 'omegaconf==1.0'"
    )
    assert suspects(error) == [said]
    wrapped = RuntimeError("in our own words")
    wrapped.__cause__ = error
    assert suspects(wrapped) == [said]
    named = AttributeError("module 'omegaconf' has no attribute 'Container'")
    assert suspects(named) == [said]
    assert suspects(KeyError("of our own")) == []
    assert report(error) == 1
    printed = capsys.readouterr().err
    assert said in printed and "facesr-bench doctor" in printed


def test_the_pinned_versions_are_those_of_the_constraints() -> None:
    assert len(pinned_versions()) > 100
    assert {"torch", "torchvision", "torch-fidelity"} <= set(pinned_versions())


@pytest.fixture
def without_imports(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Every package imports, unless a test says otherwise: trying them takes half a minute."""
    broken: dict[str, str] = {}
    monkeypatch.setattr(reports, "failures", lambda modules: broken)
    return broken


def test_the_report_has_what_a_bug_report_needs(
    without_imports: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("FACESR_WEIGHTS", str(tmp_path / "w"))
    code = command.main([])
    text = capsys.readouterr().out
    torch = re.escape(version("torch").partition("+")[0])
    assert re.search(rf"^torch +{torch}.*, a .* build", text, re.MULTILINE)
    assert re.search(rf"^weights +.*{re.escape(shortened(tmp_path / 'w'))}, not made", text, re.M)
    assert re.search(r"^FACESR_WEIGHTS ", text, re.MULTILINE)
    assert text.rstrip().splitlines()[-2] == "[problems]" or code == 1
    assert command.main(["--json"]) == code
    data = json.loads(capsys.readouterr().out)
    names = {name for name, _ in data["sections"]["packages"]}
    assert {"torch", "pyiqa", "dlib"} <= names and "ruff" not in names


def test_a_package_that_breaks_is_a_problem_with_its_version_and_a_remedy(
    without_imports: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    without_imports["cv2"] = "ImportError: libGL.so.1"
    assert command.main([]) == 1
    said = capsys.readouterr().out.split("[problems]\n")[1]
    here = version("opencv-python-headless")
    assert f"opencv-python-headless {here} cannot be imported: ImportError: libGL.so.1." in said
    assert "pip install 'opencv-python-headless==" in said


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        (Needed("not-on-this-machine", "2", None), "pip install 'not-on-this-machine>=2'"),
        (Needed("omegaconf", "99", None), "older than 99, the oldest that will do"),
        (Needed("not-on-this-machine", "2", "hog"), None),
    ],
)
def test_what_is_missing_or_too_old_is_a_problem_unless_an_extra_brings_it(
    needed: Needed,
    said: str | None,
    without_imports: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reports, "needed_packages", lambda: [needed])
    problems = reports.examine().problems
    assert [said in problem for problem in problems if needed.name in problem] == [True] * bool(
        said
    )


def test_folders_that_cannot_be_written_to_are_told_with_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FACESR_WEIGHTS", str(tmp_path))
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path / "file" / "cache"))
    (said,) = folder_problems()
    assert "cannot be written to" in said and "FACESR_CACHE" in said


def test_the_home_folder_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert shortened("/home/somebody/a:/home/somebody/b") == "~/a:~/b"


def test_modules_of_another_name_are_known() -> None:
    """A package whose module is not called like it must be in the table, or it is never tried."""
    from importlib.util import find_spec

    for one in tested.needed_packages():
        if one.here is not None:
            module = imports.MODULES.get(one.name, one.name.replace("-", "_"))
            assert find_spec(module) is not None, one.name
