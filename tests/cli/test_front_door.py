"""What the command line says when there is nothing to run, or something is misspelt."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def call(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "facesr_bench", *words],
        cwd=cwd, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip


@pytest.mark.parametrize("words", [(), ("+data=tiny",), ("+method=bicubic",), ("-m", "+data=tiny")])
def test_nothing_to_run_lists_what_exists(words: tuple[str, ...], tmp_path: Path) -> None:
    done = call(*words, cwd=tmp_path)
    assert done.returncode == 2
    for word in ("scgan", "bicubic", "tiny", "folder", "example:"):
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").rglob("result.json"))


def test_help_fits_a_screen_and_names_everything(tmp_path: Path) -> None:
    done = call("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) < 40
    for word in ("leaderboard", "scgan", "tiny", "stage=", "ckpt=", "scale=", "trainer="):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("+method=scgam", "+data=tiny"), "Available options in 'method'"),
        (("+method=scgan", "+data=tiny", "sede=1"), "sede"),
        (("+method=scgan", "+data=tiny", "method.widht=1"), "widht"),
    ],
)
def test_a_misspelt_word_is_answered_by_hydra(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = call(*words, cwd=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("stage=tset",), "stage=tset does not exist"),
        (("scale=slimm",), "scale=slimm does not exist"),
        (("ckpt=a", "init=b"), "exclude each other"),
        (("save_minutes=-1",), "save_minutes=-1 is no time between two saves"),
        (("save_minutes=often",), "save_minutes=often is no time between two saves"),
    ],
)
def test_a_wrong_value_is_a_sentence(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = call("+method=bicubic", "+data=tiny", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_command_says_so(tmp_path: Path) -> None:
    done = call("leaderbord", cwd=tmp_path)
    assert done.returncode == 2
    assert "no command 'leaderbord'" in done.stderr


def test_help_and_typos_import_nothing_heavy(tmp_path: Path) -> None:
    """The honest form of "answers within two seconds": neither path may load PyTorch."""
    code = (
        "import sys; from facesr_bench.cli import main\n"
        "for words in (['--help'], ['nonsense'], [], ['+method=bicubic']):\n"
        "    main(words)\n"
        "heavy = {'torch', 'pytorch_lightning', 'numpy', 'PIL'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True,
        text=True, check=False, timeout=600,
        env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
