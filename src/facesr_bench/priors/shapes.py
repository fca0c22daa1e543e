"""The sizes of a StyleGAN2 generator, read from the shapes of its weights."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from facesr_bench.errors import WeightsError

_CONST = "synthesis.b4.const"
_FIRST = "mapping.fc0.weight"


def stylegan2_sizes(state: Mapping[str, Tensor], source: str) -> dict[str, Any]:
    """Arguments of :class:`~facesr_bench.nets.stylegan2.StyleGAN2` for a state dict in ADA's names.

    Raises:
        WeightsError: these are no weights of such a generator, or its channels follow no rule.
    """
    if _CONST not in state or _FIRST not in state:
        lacking = _CONST if _CONST not in state else _FIRST
        raise WeightsError(f"{source} holds no StyleGAN2 generator: it has no {lacking}.")
    layers = [int(n[1]) for n in map(re.compile(r"mapping\.fc(\d+)\.weight$").match, state) if n]
    found = map(re.compile(r"synthesis\.b(\d+)\.conv1\.weight$").match, state)
    widths = {int(n[1]): int(state[n[0]].shape[0]) for n in found if n}
    resolution, largest = max(widths), widths[4]
    base = min((side * width for side, width in widths.items() if width < largest), default=None)
    base = largest * resolution if base is None else base
    if any(width != min(base // side, largest) for side, width in widths.items()):
        raise WeightsError(
            f"{source} has channels {widths} by side, which are not those of min(base / side, max)."
        )
    return {
        "resolution": resolution,
        "z_dim": int(state[_FIRST].shape[1]),
        "w_dim": int(state[_FIRST].shape[0]),
        "map_layers": max(layers) + 1,
        "channel_base": base,
        "channel_max": largest,
    }
