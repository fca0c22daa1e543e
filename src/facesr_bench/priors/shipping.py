"""A trained prior as a small file: half-precision safetensors, and a JSON card beside it."""

import hashlib
import json
from pathlib import Path
from typing import Any, cast

from facesr_bench.errors import ConfigError
from facesr_bench.images import write_atomically
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.nets.stylegan2.mapping import RATE
from facesr_bench.priors.loaded import LoadedPrior


def ship(prior: LoadedPrior, out: Path) -> dict[str, Any]:
    """Write ``out`` and ``out`` with the ending .json.

    Args:
        prior: a StyleGAN2 of ours; stored in float16, loaded as float32 again.
        out: the .safetensors file to write; the card is written last.

    Returns:
        What the card says: sha256, trained_on, sizes, where the weights come from.

    Raises:
        ConfigError: a file name or prior that cannot be.
    """
    import torch
    from safetensors.torch import save

    if out.suffix != ".safetensors" or out.is_dir():
        raise ConfigError(
            f"--out {out}: a prior is stored in a .safetensors file; give such a name."
        )
    if prior.family != "stylegan2":
        raise ConfigError(
            f"{prior.name} is a {prior.family}; only a StyleGAN2 is made into a file."
        )
    network = cast(StyleGAN2, prior.network)
    if network.conv_clamp is not None or network.mapping_rate != RATE:
        raise ConfigError(
            f"{prior.name} was built with conv_clamp={network.conv_clamp} and a mapping's "
            f"lr_multiplier={network.mapping_rate}, which a file of ours does not hold."
        )
    state = {
        name: value.to(torch.float16).contiguous()
        for name, value in prior.network.state_dict().items()
    }
    encoded = save(state)
    card = {
        "sha256": hashlib.sha256(encoded).hexdigest(),
        "family": prior.family,
        "resolution": prior.resolution,
        "parameters": sum(parameter.numel() for parameter in prior.network.parameters()),
        "storage": "float16; loading casts to float32",
        "trained_on": [dict(entry) for entry in prior.trained_on],
        "made_of": [dict(entry) for entry in prior.files],
    }
    write_atomically(out, encoded)
    write_atomically(out.with_suffix(".json"), (json.dumps(card, indent=1) + "\n").encode())
    return card
