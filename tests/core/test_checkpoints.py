"""Weight files are opened safely, and refused with a sentence."""

import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from facesr_bench.checkpoints import load_weights, read_checkpoint
from facesr_bench.errors import WeightsError


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('code from the file ran')",))


def test_code_in_a_checkpoint_never_runs(tmp_path: Path) -> None:
    for name, content in (("a.ckpt", {"state_dict": Bomb()}), ("b.pt", Bomb())):
        torch.save(content, tmp_path / name)
        with pytest.raises(WeightsError, match="more than plain tensors"):
            read_checkpoint(tmp_path / name)
    (tmp_path / "raw.pkl").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(WeightsError):
        read_checkpoint(tmp_path / "raw.pkl")


@pytest.mark.parametrize("name", ["a.ckpt", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"garbage" * 10, b"PK\x03\x04 half a zip"])
def test_damaged_files_are_sentences(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        read_checkpoint(tmp_path / name)


def test_a_truncated_checkpoint_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    torch.save({"state_dict": {"w": torch.randn(1000)}}, path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(WeightsError, match="damaged"):
        read_checkpoint(path)


def test_the_hash_is_checked_before_the_file_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"weight": torch.ones(2, 2), "bias": torch.ones(2)}, path)
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_checkpoint(path, right)["state_dict"]["bias"].sum() == 2
    with pytest.raises(WeightsError, match="not 0000000000000000"):
        read_checkpoint(path, "0" * 64)


def test_weights_that_do_not_fit_say_how() -> None:
    linear = nn.Linear(2, 2)
    with pytest.raises(WeightsError, match=r"1 missing .first 'bias'.*1 unknown .first 'other'"):
        load_weights(linear, {"weight": torch.ones(2, 2), "other": torch.ones(1)}, "w.pt")
    with pytest.raises(WeightsError, match="of another shape"):
        load_weights(linear, {"weight": torch.ones(3, 2), "bias": torch.ones(2)}, "w.pt")
    half = {"weight": torch.full((2, 2), 0.5, dtype=torch.float16), "bias": torch.zeros(2)}
    load_weights(linear, {"state_dict": half}, "w.pt")
    assert linear.weight.dtype == torch.float32
    assert float(linear.weight.detach().sum()) == 2.0
