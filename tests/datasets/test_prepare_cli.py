"""The command line of prepare: what it lists, what it refuses, where it writes."""

import os
import subprocess
import sys
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from typing import Any

import pytest

from facesr_bench.cli import choices
from facesr_bench.cli import main as front_door
from facesr_bench.errors import ConfigError, DataError, UsageError
from facesr_bench.prepare.__main__ import main
from facesr_bench.prepare.catalog import describe

LOOK = SimpleNamespace(**run_path(str(Path(__file__).with_name("look_alikes.py"))))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    conf = LOOK.install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lab_faces", raising=False)
    monkeypatch.delenv("FACESR_DATA", raising=False)
    monkeypatch.setenv("FACESR_WEIGHTS", str(tmp_path / "no-weights"))
    monkeypatch.chdir(tmp_path)
    src = LOOK.write(tmp_path / "owner", LOOK.faces(2, 2))
    return SimpleNamespace(conf=["--config-dir", str(conf)], src=["--src", str(src)], root=tmp_path)


def test_help_is_light() -> None:
    code = (
        "import sys; from facesr_bench.cli import main\n"
        "try: main(['prepare', '--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'numpy', 'PIL', 'pyarrow', 'hydra'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--src PATH" in done.stdout and "--verify DIR" in done.stdout


@pytest.mark.parametrize("name", choices("prepare", []))
def test_every_recipe_that_ships_can_be_listed(name: str) -> None:
    text = describe(name, [])
    assert "cannot be used" not in text
    for label in ("licence", "get it", "files", "their size", "makes"):
        assert f"\n  {label}" in text
    assert all(len(line) <= 120 for line in text.splitlines())


def test_list_shows_ones_own_and_survives_a_broken_one(
    lab: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    LOOK.write(lab.root, {"conf/prepare/broken.yaml": b"_target_: nowhere.Nothing\n",
                          "conf/prepare/other.yaml": b"_target_: collections.Counter\n"})  # fmt: skip
    assert main(["--list", *lab.conf]) == 0
    said = capsys.readouterr().out
    assert (
        "lab: Laboratory faces\n  licence    ours alone\n  get it     the lab's disk, drawer 3"
        in said
    )
    assert "--set      pad=0 slow=0.0 points=true" in said
    assert (
        "broken\n  cannot be used" in said and "nowhere.Nothing, which cannot be imported" in said
    )
    assert "Counter, which is no Recipe" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["labb"], r"no recipe 'labb'\. Did you mean 'lab'\?"),
        ([], "Which data set"),
        (["lab"], r"Where are the files of Laboratory faces.*lab\.zip.*drawer 3"),
        (["lab", "--src", "x", "--set", "pat=1"], "no argument 'pat'. It has: pad, slow, points"),
        (["lab", "--src", "x", "--set", "pad"], "not of the form ARGUMENT=VALUE"),
        (["lab", "--src", "x", "--size", "0"], "--size 0 must be at least 1"),
        (["lab", "--src", "x", "--workers", "0"], "--workers 0 must be at least 1"),
    ],
)
def test_calls_that_cannot_work_are_usage_errors(words: list[str], said: str, lab: Any) -> None:
    with pytest.raises(UsageError, match=said):
        main([*words, *lab.conf])


def test_yaml_that_cannot_work_is_a_sentence(lab: Any) -> None:
    for content, said in ((b"a: [", "cannot be used"), (b"pad: 3\n", "names no class"),
                          (b"_target_: lab_faces.Lab\npad: ???\n", "cannot be used")):  # fmt: skip
        LOOK.write(lab.root, {"conf/prepare/odd.yaml": content})
        with pytest.raises(ConfigError, match=said):
            main(["odd", *lab.src, *lab.conf])


def test_a_missing_source_is_named(lab: Any) -> None:
    with pytest.raises(DataError, match="The source gone does not exist"):
        main(["lab", "--src", "gone", *lab.conf])


def test_where_it_writes(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    main(["lab", *lab.src, *lab.conf])
    assert (lab.root / "data/lab-16/manifest.parquet").is_file()
    monkeypatch.setenv("FACESR_DATA", str(lab.root / "disk"))
    main(["stretched", *lab.src, "--size", "8", *lab.conf])  # a folder is called as the YAML is
    assert (lab.root / "disk/stretched-8/manifest.parquet").is_file()


def test_the_front_door_prints_errors_as_sentences(
    lab: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert front_door(["prepare", "lab", *lab.src, *lab.conf]) == 0
    assert front_door(["prepare", "lab", *lab.src, *lab.conf, "--set", "pad=1"]) == 1
    said = capsys.readouterr().err
    assert (
        "facesr-bench: data/lab-16 holds data prepared by another call: pad is 0 there and 1"
        in said
    )
    assert "Traceback" not in said


def test_as_a_module(lab: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "facesr_bench.prepare", "nonsense"], capture_output=True, text=True,
        check=False, cwd=lab.root, env={**os.environ},
    )  # fmt: skip
    assert done.returncode == 2 and "There is no recipe 'nonsense'" in done.stderr
