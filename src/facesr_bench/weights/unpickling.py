"""Reading pickles as data: a short list of names, each answered by code of ours, and nothing else.

A pickle is a program. It can do only what the functions it names can do, so everything lies in which
names are answered. Here no name leads to the function the file means: tensors, arrays and numbers are
rebuilt by closures that check what they are given, classes are made afresh for each file (a pickle may
set attributes of a class it was handed), and a name that is not on the list ends the reading.
"""

import io
import math
import mmap
import pickle
import pickletools
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch

from facesr_bench.errors import WeightsError, first_line

Names = dict[tuple[str, str], Any]
"""Module and name as the pickle writes them, and what it gets instead."""

MOST_OPERATIONS = 1_000_000
"""Official files take some ten thousand; their tensors are one operation each."""

DEEPEST = 64
"""Networks within networks, lists within lists."""


class Callee:
    """A function a pickle may call, but not alter: pickles can set attributes of what they hold."""

    __slots__ = ("_function",)
    _function: Callable[..., Any]

    def __init__(self, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *arguments: Any) -> Any:
        """Call it."""
        return self._function(*arguments)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise WeightsError("a function is given attributes, which no honest file does")


def read_pickle(path: Path, names: Callable[[int], Names]) -> Any:
    """What a pickle holds, made of plain containers, tensors and the stand-ins of ``names``.

    Args:
        path: the file.
        names: given the file's size in bytes, the only names it may ask for.

    Raises:
        WeightsError: it cannot be read, is damaged, or asks for another name, which is told; nothing
            of the file has run then.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            _bound(view)
            view.seek(0)
            return _Unpickler(view, names(len(view))).load()
    except WeightsError as error:
        raise WeightsError(f"{path} is not opened: {error}.") from error
    except Exception as error:  # whatever a damaged stream makes the machine stumble over
        raise WeightsError(
            f"{path} is damaged or not a pickle ({type(error).__name__}: {first_line(error)})."
        ) from error


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: Any, names: Names) -> None:
        super().__init__(stream)
        self._names = names

    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) not in self._names:
            raise WeightsError(
                f"it asks for {module}.{name}, which is none of the names such a file needs and "
                "might run anything"
            )
        return self._names[module, name]


def _bound(stream: Any) -> None:
    """Refuse what would eat the memory before a name is even read.

    The C unpickler makes room for the memo entry number a file states, be it four thousand million.
    """
    for count, (operation, argument, _) in enumerate(pickletools.genops(stream)):
        if count >= MOST_OPERATIONS:
            raise WeightsError(f"it takes more than {MOST_OPERATIONS} operations")
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > count:  # type: ignore[operator]
            raise WeightsError(f"it numbers its {count}th object {argument}")


def plain_names() -> Names:
    """Ordered dictionaries, sets, and NVIDIA's dictionary with attributes."""
    return {
        ("collections", "OrderedDict"): OrderedDict,
        ("builtins", "set"): set,
        ("dnnlib.util", "EasyDict"): type("EasyDict", (dict,), {"__slots__": ()}),
    }


def numpy_names() -> Names:
    """Numbers and arrays of numpy, under the names of numpy 1 and 2."""
    names: Names = {
        ("numpy", "dtype"): Callee(_PickledType),
        ("numpy", "ndarray"): Callee(_no_array),
    }
    for package in ("numpy.core.multiarray", "numpy._core.multiarray"):
        names[package, "scalar"] = Callee(_scalar)
        names[package, "_reconstruct"] = Callee(lambda *_: PickledArray())
    return names


def torch_names(size: int) -> Names:
    """Tensors and parameters, all of them as plain tensors.

    Args:
        size: of the file in bytes; its storages together cannot be larger.
    """
    left = size

    def storage(content: bytes) -> torch.storage.TypedStorage:
        nonlocal left
        _expect(isinstance(content, bytes) and not content.startswith(b"PK"), "a storage")
        left -= len(content)
        _expect(left >= 0, "a storage")
        try:
            loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            asked = re.search(r"GLOBAL (\S+)", str(error))
            what = f"asks for {asked[1]}" if asked else "holds more than numbers"
            raise WeightsError(f"a storage in it {what}") from error
        _expect(isinstance(loaded, torch.storage.TypedStorage), "a storage")
        return loaded  # type: ignore[no-any-return]

    return {
        ("torch.storage", "_load_from_bytes"): Callee(storage),
        ("torch._utils", "_rebuild_tensor_v2"): Callee(_tensor),
        ("torch._utils", "_rebuild_parameter"): Callee(_parameter),
    }


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise WeightsError(f"{what} in it is not written as PyTorch or numpy writes one")


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> torch.Tensor:
    _expect(isinstance(storage, torch.storage.TypedStorage), "a tensor")
    _expect(isinstance(size, tuple) and isinstance(stride, tuple), "a tensor")
    _expect(all(type(n) is int and n >= 0 for n in (offset, *size, *stride)), "a tensor")
    _expect(math.prod(size) <= storage._size(), "a tensor")  # no terabyte that repeats one number
    return torch._utils._rebuild_tensor_v2(storage, offset, size, stride, False, OrderedDict())  # type: ignore[no-any-return,no-untyped-call]


def _parameter(data: Any, *_: Any) -> torch.Tensor:
    _expect(isinstance(data, torch.Tensor), "a parameter")
    return data  # type: ignore[no-any-return]


class _PickledType:
    """A dtype as a pickle writes it; numpy's own takes offsets and sizes on trust."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: Any, *_: Any) -> None:
        _expect(
            isinstance(code, str) and re.fullmatch("[biufc][0-9]+", code) is not None, "a dtype"
        )
        self._code, self._order = code, "="

    def __setstate__(self, state: Any) -> None:
        _expect(isinstance(state, tuple) and len(state) > 1 and state[1] in "<>|=", "a dtype")
        self._order = state[1]

    def numpy(self) -> np.dtype[Any]:
        kind: np.dtype[Any] = np.dtype(self._order + self._code)
        return kind


class PickledArray:
    """An array, filled by the state that follows it in the stream."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array: np.ndarray[Any, Any] | None = None

    def __setstate__(self, state: Any) -> None:
        _expect(isinstance(state, tuple) and len(state) == 5, "an array")
        _, shape, kind, by_columns, content = state
        _expect(isinstance(kind, _PickledType) and isinstance(content, bytes), "an array")
        flat = np.frombuffer(content, kind.numpy())
        self.array = flat.reshape(shape, order="F" if by_columns else "C")


def _scalar(kind: Any, content: Any) -> Any:
    _expect(isinstance(kind, _PickledType) and isinstance(content, bytes), "a number")
    return np.frombuffer(content, kind.numpy(), count=1)[0]


def _no_array(*_: Any) -> NoReturn:
    raise WeightsError("an array in it is not written as PyTorch or numpy writes one")


def plain(value: Any, depth: int = 0) -> Any:
    """A setting as JSON could hold it: numbers of numpy become Python's, unknown things their type.

    Raises:
        WeightsError: it contains itself, or might as well.
    """
    if depth > DEEPEST:
        raise WeightsError(f"the settings in it are nested more than {DEEPEST} deep")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    return f"<{type(value).__name__}>"
