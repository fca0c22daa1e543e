"""Directions in W or W+ along which one attribute changes: reading them, and fitting one.

The paper moves codes along directions of AdvStyle; any direction in a file will do. Where there is
none, one can be had from the prior alone: faces are generated, an attribute of each is scored, and the
scores are regressed on the codes.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facesr_bench.checkpoints import read_checkpoint
from facesr_bench.errors import DataError
from facesr_bench.images import write_atomically

_RIDGE = 0.01
"""Penalty over the variance of the codes: they are correlated, and there may be few faces."""


def fit_direction(codes: Tensor, scores: Tensor) -> Tensor:
    """The direction (w_dim,) along which an attribute grows, by ridge regression.

    Its length is one standard deviation of the codes along it, so that a strength of 1 is as far from
    the mean as codes usually are, whatever the prior.

    Args:
        codes: (N, w_dim) of generated faces.
        scores: (N,) of the attribute, such as probabilities or labels of 0 and 1.

    Raises:
        DataError: scores that are all equal, or not one for each code.
    """
    if codes.ndim != 2 or scores.shape != codes.shape[:1]:
        raise DataError(
            f"A direction is fitted to codes (N, w_dim) and N scores, not to {tuple(codes.shape)} and "
            f"{tuple(scores.shape)}."
        )
    x, y = (t.double() - t.double().mean(0) for t in (codes, scores))
    if not bool(y.any()):
        raise DataError("All faces have the same score: no direction can be told from that.")
    covariance = x.t() @ x / len(x)
    ridge = _RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=x.dtype)
    normal = torch.linalg.solve(covariance + ridge, x.t() @ y / len(x))
    normal = normal / normal.norm()
    direction: Tensor = normal * (x @ normal).std(correction=0)
    return direction.float()


def write_direction(path: Path, direction: Tensor) -> None:
    """As a safetensors file of one tensor."""
    from safetensors.torch import save

    write_atomically(path, save({"direction": direction.contiguous()}))


def read_direction(path: Path, num_codes: int, w_dim: int) -> Tensor:
    """A direction for all codes, (L, w_dim); one for W is meant for all of them.

    Args:
        path: ``.npy``, or a ``.safetensors``, ``.pt`` or ``.pth`` file of one tensor.
        num_codes: L.
        w_dim: length of a code.

    Raises:
        DataError: no such file, or another shape.
        WeightsError: a damaged file, or one that holds more than plain tensors.
    """
    if path.suffix == ".npy":
        direction = torch.from_numpy(_array(path).astype(np.float32))
    else:
        content = read_checkpoint(path)
        tensors = [t for t in content.get("state_dict", content).values() if isinstance(t, Tensor)]
        if len(tensors) != 1:
            raise DataError(f"{path} holds {len(tensors)} tensors; a direction is one.")
        direction = tensors[0].float()
    flat = direction.reshape(-1)
    if len(flat) == w_dim:
        return flat.expand(num_codes, -1)
    if direction.shape[-2:] == (num_codes, w_dim) and len(flat) == num_codes * w_dim:
        return flat.view(num_codes, w_dim)
    raise DataError(
        f"The direction in {path} is {tuple(direction.shape)}; this prior takes ({w_dim},) in W or "
        f"({num_codes}, {w_dim}) in W+."
    )


def _array(path: Path) -> NDArray[np.float64]:
    try:
        return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as an array ({error}).") from error
