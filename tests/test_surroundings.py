"""What the tests set up around themselves."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import torch

from command_line import ROOT
from forked import Forked

THREADS = "import torch; print(torch.get_num_threads())"


def test_one_thread_here_and_in_what_tests_start(tmp_path: Path) -> None:
    assert torch.get_num_threads() == 1
    assert os.environ["OMP_NUM_THREADS"] == "1"  # also where there is one core anyway
    started = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, text=True, check=True
    )
    assert started.stdout.strip() == "1"
    assert Forked(torch.get_num_threads, tmp_path / "said.txt", tmp_path).wait() == 1


def test_what_compares_with_golden_values_is_named_so() -> None:
    """``make test-isa`` goes by the word in a test's name or its file's."""
    others = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
                continue
            names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
            if names & {"EXACT", "GOLDEN"} and "golden" not in f"{path.name} {node.name}":
                others.append(f"{path.name}::{node.name}")
    assert not others
