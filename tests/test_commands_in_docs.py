"""The commands READMEs tell: runs compose, other commands parse."""

import argparse
import re
import shlex
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra

from command_line import ROOT
from facesr_bench import cli
from facesr_bench.cli import COMMANDS
from facesr_bench.config import register_resolvers
from facesr_bench.experiments.words import loosened

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


def composes(words: list[str]) -> None:
    """A sweep's words are one job's each; the first stands for all. Optimisers are extra packages."""
    register_resolvers()
    GlobalHydra.instance().clear()
    overrides = [
        re.sub(r"^(\+?\w+=\w+),.*", r"\1", word)
        for word in words
        if word not in ("-m", "--help") and not re.search(r"interval\(|^hydra[/.]sweeper", word)
    ]
    for_hydra = {plain: loose for loose, plain in loosened(words, ()).items()}  # as launch does
    with initialize_config_module("facesr_bench.conf", version_base="1.3"):
        compose("config", [for_hydra.get(word, word) for word in overrides])


@pytest.mark.parametrize("words", RUNS)
def test_a_run_composes(words: list[str]) -> None:
    composes(words)


class _Parsed(Exception):
    """The parser took the words; the command itself is not to run."""


@pytest.fixture
def only_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands stop where their own parser has taken the words; what is no option ends as ever."""

    def stopping(parse: Callable[..., Any]) -> Callable[..., Any]:
        def parsed(*arguments: Any, **named: Any) -> None:
            parse(*arguments, **named)
            raise _Parsed

        return parsed

    for name in ("parse_args", "parse_intermixed_args"):
        parse = getattr(argparse.ArgumentParser, name)
        monkeypatch.setattr(argparse.ArgumentParser, name, stopping(parse))


def meant_by(words: list[str]) -> Iterator[list[str]]:
    """``[--lr LR]`` may be given, ``NAME...`` several times, of ``a|b`` each one."""
    plain = [word.strip("[]").removesuffix("...") for word in words]
    choices = [word.split("|") for word in plain]
    for number in range(max(map(len, choices))):
        yield [choice[min(number, len(choice) - 1)] for choice in choices]


def takes(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a command its words, as the command line would."""
    main = import_module(COMMANDS[words[0]][0]).main
    if words[0] != "adapt":
        with pytest.raises(_Parsed):
            main(words[1:])
        return
    runs: list[list[str]] = []  # it has no parser: it is a run in fewer words
    monkeypatch.setattr(cli, "main", lambda run: runs.append(run) or 0)
    assert main(words[1:]) == 0
    composes(runs[0])


@pytest.mark.parametrize("words", OTHERS)
def test_another_command_takes_its_words(
    words: list[str], only_parsed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in meant_by(words):
        takes(each, monkeypatch)


@pytest.mark.parametrize(
    "words", ["verify RUN --sharing 1", "leaderboard compare A", "prior shop x --out y",
              "leaderboard runs/ --format pdf", "weights fetch"],
)  # fmt: skip
def test_words_no_command_takes_are_noticed(
    words: str, only_parsed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as ended:
        takes(words.split(), monkeypatch)
    assert ended.value.code == 2
