"""What NVIDIA's generators were built with besides the shapes of their tensors: honoured, or refused.

A mapping's ``lr_multiplier`` is folded into how its weights are stored, a ``conv_clamp`` cuts features
off, an architecture decides what is summed up: none of it can be seen in a state dict. The pickle's
modules say it in their attributes.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from facesr_bench.errors import WeightsError
from facesr_bench.weights.converting import read_sidecar
from facesr_bench.weights.foreign import read_ada
from facesr_bench.weights.loading import WeightFile

_NEEDED: Mapping[str, Any] = {"architecture": "skip", "use_noise": True, "c_dim": 0}
"""What our generator is; a module that says otherwise is refused."""

_MAPPING = re.compile(r"mapping\.fc\d+")


def construction_of(file: WeightFile) -> dict[str, Any]:
    """Arguments of :class:`~facesr_bench.nets.stylegan2.StyleGAN2` that shapes do not tell.

    Args:
        file: an ``ada_pickle``; its side-car is asked first.

    Raises:
        WeightsError: the generator was built in a way ours cannot be, which is named.
    """
    layout, described = file.entry.layout, read_sidecar(file)
    built = (described or {}).get("built_with")
    if built is None:  # not converted, or by a version that did not write it down
        built = read_ada(file.path)[layout.inside[0]].built_with
    return construction(built, str(file.path))


def construction(built: Mapping[str, Mapping[str, Any]], source: str) -> dict[str, Any]:
    """As :func:`construction_of`, of :attr:`~.foreign.PersistentNetwork.built_with`."""
    for module, name, value in _every(built):
        wanted = _NEEDED.get(name)
        linear = name == "activation" and (".affine" in module or "torgb" in module)
        if name == "activation":
            wanted = "linear" if linear else "lrelu"
        if wanted is not None and value != wanted:
            raise WeightsError(
                f"{source} was built with {name}={value} ({module or 'itself'}); a generator of "
                f"ours has {name}={wanted}, so that its images would be others."
            )
    rates = {v for m, n, v in _every(built) if n == "bias_gain" and _MAPPING.fullmatch(m)}
    clamps = {v for _, n, v in _every(built) if n == "conv_clamp"}
    if len(rates) != 1 or len(clamps) != 1:
        unknown = "lr_multiplier of its mapping" if len(rates) != 1 else "conv_clamp"
        raise WeightsError(
            f"{source} does not say one {unknown} for all its layers, without which its images "
            "cannot be told."
        )
    return {"mapping_rate": float(rates.pop()), "conv_clamp": clamps.pop()}


def _every(built: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    for module, settings in built.items():
        for name, value in settings.items():
            yield module, name, value
