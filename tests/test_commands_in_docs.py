"""The commands READMEs tell: runs compose, other commands and their options exist."""

import inspect
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra

from command_line import ROOT
from facesr_bench.cli import COMMANDS
from facesr_bench.config import register_resolvers

DOCS = [ROOT / "README.md", ROOT / "docs" / "cluster.md", *(ROOT / "methods").glob("*/README.md")]
FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.M | re.S)
COMMAND = re.compile(r"^(?:srun )?(?:python -m facesr_bench|facesr-bench) (.+)$")


def commands() -> Iterator[tuple[str, list[str]]]:
    """Where each command stands, and its words."""
    for path in DOCS:
        blocks = FENCE.findall(path.read_text(encoding="utf-8"))
        lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
        for line in lines:
            found = COMMAND.match(line)
            if found and "..." not in re.sub(r"(NAME|FILE)\.\.\.", "", found[1].split("#")[0]):
                words = shlex.split(found[1].replace("$BICUBIC", ""), comments=True)
                yield f"{path.relative_to(ROOT)}: {line}", words


RUNS = [pytest.param(words, id=where) for where, words in commands() if words[0] not in COMMANDS]
OTHERS = [pytest.param(words, id=where) for where, words in commands() if words[0] in COMMANDS]


def test_there_are_commands() -> None:
    assert len(RUNS) > 30
    assert len(OTHERS) > 15


@pytest.mark.parametrize("words", RUNS)
def test_a_run_composes(words: list[str]) -> None:
    register_resolvers()
    GlobalHydra.instance().clear()
    # A sweep's words are one job's each; the first stands for all. Optimisers are extra packages.
    overrides = [
        re.sub(r"^(\+?\w+=\w+),.*", r"\1", word)
        for word in words
        if word not in ("-m", "--help") and not re.search(r"interval\(|^hydra[/.]sweeper", word)
    ]
    with initialize_config_module("facesr_bench.conf", version_base="1.3"):
        compose("config", overrides)


@pytest.mark.parametrize("words", OTHERS)
def test_another_command_has_its_options(words: list[str]) -> None:
    source = inspect.getsource(import_module(COMMANDS[words[0]][0]))
    folder = Path(inspect.getfile(import_module(COMMANDS[words[0]][0]))).parent
    if folder.name != "facesr_bench":
        source = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    for word in words:
        if word.startswith("--"):
            assert f'"{word}"' in source, word
