"""The list of names a pickle may ask for: what each leads to, and all that stays forbidden.

Each forbidden name here exists and lies in a package of which some name is allowed.
"""

import importlib
import io
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facesr_bench.errors import WeightsError
from facesr_bench.weights import foreign, tf_pickle, unpickling
from facesr_bench.weights.unpickling import (
    Names,
    numpy_names,
    plain,
    plain_names,
    read_pickle,
    torch_names,
)

READERS: dict[str, Callable[[int], Names]] = {"ada": foreign._names, "tf": tf_pickle._names}
MANY = 1 << 20

ALLOWED = {
    ("collections", "OrderedDict"), ("builtins", "set"), ("dnnlib.util", "EasyDict"),
    ("numpy", "dtype"), ("numpy", "ndarray"),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core")
      for name in ("scalar", "_reconstruct")),
}  # fmt: skip
OF_TORCH = {
    ("torch.storage", "_load_from_bytes"), ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch_utils.persistence", "_reconstruct_persistent_obj"),
}  # fmt: skip

FORBIDDEN = [
    ("builtins", "eval"), ("builtins", "exec"), ("builtins", "getattr"), ("builtins", "__import__"),
    ("builtins", "open"), ("builtins", "compile"), ("builtins", "frozenset"), ("builtins", "dict"),
    ("collections", "namedtuple"), ("collections", "defaultdict"), ("collections", "_sys"),
    ("numpy", "load"), ("numpy", "fromfile"), ("numpy", "memmap"), ("numpy", "array"),
    ("numpy.core.multiarray", "fromfile"), ("numpy._core.multiarray", "fromfile"),
    ("numpy._core.multiarray", "array"), ("numpy.lib.format", "read_array"),
    ("torch", "load"), ("torch", "tensor"), ("torch", "FloatStorage"), ("torch.hub", "load"),
    ("torch.serialization", "load"), ("torch.storage", "TypedStorage"), ("torch.storage", "io"),
    ("torch._utils", "_rebuild_tensor"), ("torch._utils", "_import_dotted_name"),
    ("torch._utils", "importlib"), ("torch.utils._pytree", "tree_map"), ("torch.jit", "load"),
    ("torch.nn.modules.linear", "Linear"),
]  # fmt: skip
"""They exist, and would be reached by whoever looked them up."""

UNHEARD = [
    ("torch_utils.persistence", "persistent_class"), ("torch_utils.misc", "assert_shape"),
    ("dnnlib.util", "open_url"), ("dnnlib.util", "call_func_by_name"), ("dnnlib", "util"),
    ("dnnlib.tflib.network", "exec"), ("OrderedDict", "collections"),
]  # fmt: skip
"""NVIDIA's own, which are not on this machine but might be on another."""


def asking_for(module: str, name: str, protocol: int) -> bytes:
    """A pickle that is nothing but this name."""
    if protocol < 4:
        return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"."
    words = b"".join(b"\x8c" + bytes([len(w)]) + w.encode() for w in (module, name))
    return b"\x80\x04" + words + b"\x93."


def read(path: Path, content: bytes, names: Callable[[int], Names]) -> Any:
    path.write_bytes(content)
    return read_pickle(path, names)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("protocol", [2, 4])
def test_forbidden_names_of_every_allowed_package(
    reader: str, protocol: int, tmp_path: Path
) -> None:
    allowed = {module.split(".")[0] for module, _ in READERS[reader](MANY)}
    forbidden = [*FORBIDDEN, *UNHEARD, *(OF_TORCH if reader == "tf" else [])]
    assert allowed <= {module.split(".")[0] for module, _ in forbidden}
    for module, name in forbidden:
        content = asking_for(module, name, protocol)
        with pytest.raises(WeightsError, match="none of the names such a file needs") as error:
            read(tmp_path / "x.pkl", content, READERS[reader])
        assert f"it asks for {module}.{name}," in str(error.value)


def test_the_forbidden_names_exist() -> None:
    """Else their refusal would say nothing."""
    for module, name in FORBIDDEN:
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:  # numpy 1 and 2 call their core otherwise
            assert module.startswith(("numpy.core", "numpy._core"))
            continue
        assert hasattr(found, name), (module, name)


def test_the_list_is_this_list() -> None:
    network = ("dnnlib.tflib.network", "Network")
    assert set(READERS["ada"](MANY)) == ALLOWED | OF_TORCH
    assert set(READERS["tf"](MANY)) == ALLOWED | {network}


@pytest.mark.parametrize("reader", READERS)
def test_no_allowed_name_leads_to_the_function_it_names(reader: str, tmp_path: Path) -> None:
    for module, name in READERS[reader](MANY):
        found = read(tmp_path / "x.pkl", asking_for(module, name, 4), READERS[reader])
        if (module, name) in {("collections", "OrderedDict"), ("builtins", "set")}:
            continue  # plain containers, which hold what they are given and call nothing
        own = isinstance(found, unpickling.Callee) or found.__module__.startswith("facesr_bench")
        assert own, (module, name)


# -- what the allowed functions are given ---------------------------------------------------------


def storage_of(*numbers: float) -> torch.storage.TypedStorage:
    return torch.tensor(numbers)._typed_storage()


def bytes_of(content: Any, zipped: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def call(module: str, name: str, *arguments: Any, size: int = MANY) -> Any:
    return (plain_names() | numpy_names() | torch_names(size))[module, name](*arguments)


REBUILD = ("torch._utils", "_rebuild_tensor_v2")
LOAD = ("torch.storage", "_load_from_bytes")
DTYPE = ("numpy", "dtype")
SCALAR = ("numpy.core.multiarray", "scalar")
SIX = storage_of(*range(6))


def test_what_honest_files_write_is_rebuilt() -> None:
    tensor = call(*REBUILD, SIX, 1, (2, 2), (2, 1), False, {})
    assert tensor.tolist() == [[1, 2], [3, 4]]
    assert call(*REBUILD, SIX, 0, (6,), (1,)).tolist() == list(range(6))
    assert call(*REBUILD, SIX, 0, (0, 3), (3, 1)).shape == (0, 3)
    assert call("torch._utils", "_rebuild_parameter", tensor, True, {}) is tensor
    content = bytes_of(SIX)
    assert list(call(*LOAD, content, size=len(content))) == list(range(6))
    kind = call(*DTYPE, "f4", False, True)
    kind.__setstate__((3, "<", None, None, None, -1, -1, 0))
    assert call(*SCALAR, kind, struct.pack("<f", 1.5)) == 1.5
    array = call("numpy._core.multiarray", "_reconstruct")
    array.__setstate__((1, (2, 2), kind, True, struct.pack("<4f", 1, 2, 3, 4)))
    assert array.array.tolist() == [[1, 3], [2, 4]]
    array.__setstate__((1, (2, 2), kind, False, struct.pack("<4f", 1, 2, 3, 4)))
    assert array.array.tolist() == [[1, 2], [3, 4]]


def big_endian() -> Any:
    kind = call(*DTYPE, "i2")
    kind.__setstate__((3, ">"))
    return kind


def array_of(state: Any) -> None:
    unpickling.PickledArray().__setstate__(state)


def test_the_order_of_bytes_is_kept() -> None:
    assert call(*SCALAR, big_endian(), b"\x01\x02") == 0x0102


LIARS: dict[str, Callable[[], Any]] = {
    "a tensor of no storage": lambda: call(*REBUILD, [1.0], 0, (1,), (1,)),
    "a size that is a list": lambda: call(*REBUILD, SIX, 0, [1], (1,)),
    "a stride that is a list": lambda: call(*REBUILD, SIX, 0, (1,), [1]),
    "an offset below zero": lambda: call(*REBUILD, SIX, -1, (1,), (1,)),
    "an offset that is a number of numpy": lambda: call(*REBUILD, SIX, np.int64(0), (1,), (1,)),
    "an offset that is true": lambda: call(*REBUILD, SIX, True, (1,), (1,)),
    "a size below zero": lambda: call(*REBUILD, SIX, 0, (-1,), (1,)),
    "a size that is a fraction": lambda: call(*REBUILD, SIX, 0, (1.0,), (1,)),
    "a stride below zero": lambda: call(*REBUILD, SIX, 0, (2,), (-1,)),
    "more numbers than the storage": lambda: call(*REBUILD, SIX, 0, (7,), (0,)),
    "more numbers in two directions": lambda: call(*REBUILD, SIX, 0, (4, 2), (0, 0)),
    "a parameter that is no tensor": lambda: call("torch._utils", "_rebuild_parameter", [1.0]),
    "a storage that is no bytes": lambda: call(*LOAD, bytearray(bytes_of(SIX))),
    "a storage that is an archive": lambda: call(*LOAD, bytes_of(SIX, zipped=True)),
    "a storage larger than the file": lambda: call(*LOAD, bytes_of(SIX), size=len(bytes_of(SIX)) - 1),
    "a storage that is a dictionary": lambda: call(*LOAD, bytes_of({"a": 1})),
    "a storage that is a tensor": lambda: call(*LOAD, bytes_of(torch.zeros(2))),
    "a dtype that is no text": lambda: call(*DTYPE, 4),
    "a dtype of objects": lambda: call(*DTYPE, "O8"),
    "a dtype of several fields": lambda: call(*DTYPE, "f4,f4"),
    "a dtype without a size": lambda: call(*DTYPE, "f"),
    "a dtype of no state": lambda: call(*DTYPE, "f4").__setstate__(["3", "<"]),
    "a dtype of a short state": lambda: call(*DTYPE, "f4").__setstate__((3,)),
    "a dtype of another order": lambda: call(*DTYPE, "f4").__setstate__((3, "x")),
    "an array of four facts": lambda: array_of((1, (1,), big_endian(), b"ab")),
    "an array of a list": lambda: array_of([1, (1,), big_endian(), 0, b"ab"]),
    "an array of numpy's dtype": lambda: array_of((1, (1,), np.dtype("i2"), 0, b"ab")),
    "an array of objects in a list": lambda: array_of((1, (1,), big_endian(), 0, ["ab"])),
    "a number of numpy's dtype": lambda: call(*SCALAR, np.dtype("i2"), b"ab"),
    "a number that is no bytes": lambda: call(*SCALAR, big_endian(), "ab"),
    "an array made by hand": lambda: call("numpy", "ndarray", (2,)),
}  # fmt: skip


@pytest.mark.parametrize("liar", LIARS)
def test_what_no_honest_file_writes_is_refused(liar: str) -> None:
    with pytest.raises(WeightsError, match="in it is not written as PyTorch or numpy writes one"):
        LIARS[liar]()


def test_storages_together_are_no_larger_than_the_file() -> None:
    content = bytes_of(SIX)
    load = torch_names(2 * len(content))[LOAD]
    load(content)
    load(content)
    with pytest.raises(WeightsError, match="a storage in it"):
        load(content)


def test_what_a_storage_asks_for_is_told() -> None:
    with pytest.raises(WeightsError, match="a storage in it asks for pathlib"):
        call(*LOAD, bytes_of(Path("x")))


def test_a_function_cannot_be_given_attributes() -> None:
    with pytest.raises(WeightsError, match="is given attributes"):
        torch_names(1)[LOAD].hello = 1


# -- bounds ---------------------------------------------------------------------------------------


def test_operations_are_counted_up_to_the_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpickling, "MOST_OPERATIONS", 13)
    exactly = b"\x80\x02" + b"}0" * 4 + b"N0}."  # 13 operations
    assert read(tmp_path / "x.pkl", exactly, lambda size: {}) == {}
    with pytest.raises(WeightsError, match="more than 13 operations"):
        read(tmp_path / "x.pkl", b"\x80\x02" + b"}0" * 5 + b"N2.", lambda size: {})


@pytest.mark.parametrize("put", [b"p%d\n", b"q%c", b"r%c\0\0\0"])
def test_a_memo_is_numbered_no_higher_than_there_were_operations(
    put: bytes, tmp_path: Path
) -> None:
    assert read(tmp_path / "x.pkl", b"\x80\x02}" + put % 2 + b".", lambda size: {}) == {}
    with pytest.raises(WeightsError, match="it numbers its 2th object 3"):
        read(tmp_path / "x.pkl", b"\x80\x02}" + put % 3 + b".", lambda size: {})


def test_the_names_are_told_the_size_of_the_file(tmp_path: Path) -> None:
    sizes: list[int] = []
    content = pickle.dumps({"a": 1})
    read(tmp_path / "x.pkl", content, lambda size: sizes.append(size) or {})  # type: ignore[func-returns-value]
    assert sizes == [len(content)]


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_settings_are_what_json_could_hold() -> None:
    settings = {1: (np.int64(2), np.float64(0.5), None, True), "x": Path("y")}
    read_off = plain(settings)
    assert read_off == {"1": [2, 0.5, None, True], "x": f"<{type(Path()).__name__}>"}
    assert [type(v) for v in read_off["1"]] == [int, float, type(None), bool]
    assert plain(nested(unpickling.DEEPEST)) == nested(unpickling.DEEPEST)
    with pytest.raises(WeightsError, match="more than 64 deep"):
        plain(nested(unpickling.DEEPEST + 1))
    with pytest.raises(WeightsError, match="more than 64 deep"):
        plain({"a": nested(unpickling.DEEPEST)})
