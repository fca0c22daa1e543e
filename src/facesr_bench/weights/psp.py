"""The three things a checkpoint of pSp holds: its encoder, its StyleGAN2, and the code they start from.

Richardson et al., "Encoding in Style: a StyleGAN Encoder for Image-to-Image Translation", 2021. An
image is ``decoder(encoder(image) + latent_avg)``: the encoder predicts offsets from the average code.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from facesr_bench.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

_AVERAGE = "latent_avg"


class PSPParts(NamedTuple):
    """State dicts by the names their modules have.

    Attributes:
        encoder: pSp's names without the prefix.
        decoder: a StyleGAN2 with the names of ours (NVIDIA's ADA), ``mapping.w_avg`` included.
        latent_avg: (L, 512), what is added to the encoder's codes: (18, 512) at 1024 pixels.
    """

    encoder: "dict[str, Tensor]"
    decoder: "dict[str, Tensor]"
    latent_avg: "Tensor"


def psp_parts(state: "Mapping[str, Tensor]") -> PSPParts:
    """Take a checkpoint apart.

    Args:
        state: of the registered weights ``psp_sr``, as :func:`~facesr_bench.weights.loading.load_state`
            gives it: ``encoder.*``, ``decoder.*`` with rosinality's names, and ``latent_avg``.

    Raises:
        WeightsError: further tensors, no encoder, a decoder that is no StyleGAN2, or an average code
            that does not fit it.
    """
    from facesr_bench.nets.stylegan2.keys import rosinality_to_ada

    parts: dict[str, dict[str, Tensor]] = {"encoder": {}, "decoder": {}}
    for name, tensor in state.items():
        part, _, rest = name.partition(".")
        if part in parts and rest:
            parts[part][rest] = tensor
        elif name != _AVERAGE:
            raise WeightsError(f"{name!r} belongs neither to the encoder nor the decoder of a pSp.")
    if not parts["encoder"] or _AVERAGE not in state:
        lacking = "encoder" if not parts["encoder"] else _AVERAGE
        raise WeightsError(f"These weights of a pSp lack the {lacking}.")
    average = state[_AVERAGE]
    # pSp repeats StyleGAN2's average code for every layer; in float64 their mean is that code exactly.
    w_avg = average.double().mean(dim=0).float()
    decoder = rosinality_to_ada({**parts["decoder"], _AVERAGE: w_avg})
    codes = _codes(decoder)
    if average.shape != (codes, 512):
        raise WeightsError(
            f"The average code of this pSp is {tuple(average.shape)}, but its decoder takes {codes} "
            "codes of 512."
        )
    return PSPParts(parts["encoder"], decoder, average)


def _codes(decoder: "Mapping[str, Tensor]") -> int:
    """Codes that a StyleGAN2 of this state dict takes: 18 at 1024 pixels."""
    sides = [int(m[1]) for name in decoder if (m := re.match(r"synthesis\.b(\d+)\.", name))]
    return 2 * (max(sides).bit_length() - 1) - 2
