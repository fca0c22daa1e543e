"""Mean and spread of a prior's codes (stylegan2_prior.md, section 5: what DAP-FSR starts from)."""

import torch
from torch import Tensor

from facesr_bench.nets.prior import Prior

_AT_ONCE = 10_000


@torch.no_grad()
def code_statistics(prior: Prior, samples: int = 100_000, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Mean and unbiased standard deviation per dimension of mapped codes.

    Args:
        prior: its mapping is asked.
        samples: normal vectors drawn, in blocks from one CPU generator, so devices agree.
        seed: of that generator.

    Returns:
        Two float32 tensors (w_dim,), on the CPU; sums are kept in float64.
    """
    generator = torch.Generator().manual_seed(seed)
    first = torch.zeros(prior.w_dim, dtype=torch.float64)
    second = torch.zeros(prior.w_dim, dtype=torch.float64)
    device = next(iter(prior.mapping.parameters())).device  # type: ignore[attr-defined]
    shift: Tensor | None = None
    for start in range(0, samples, _AT_ONCE):
        z = torch.randn(min(_AT_ONCE, samples - start), prior.z_dim, generator=generator)
        codes = prior.mapping(z.to(device)).cpu().double()
        shift = codes.mean(0) if shift is None else shift  # or the squares would cancel
        first += (codes - shift).sum(0)
        second += (codes - shift).square().sum(0)
    if shift is None or samples < 2:
        raise ValueError("At least two samples make a standard deviation.")
    variance = (second - first.square() / samples) / (samples - 1)
    return (shift + first / samples).float(), variance.sqrt().float()
