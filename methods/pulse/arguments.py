"""What PULSE's arguments may be: a value from the command line is told at once, not in the search."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from facesr_bench.errors import ConfigError
from facesr_bench.priors import LoadedPrior

from .latent_map import LatentMap
from .schedule import OptimizerName, Schedule
from .search import ReturnImage
from .variables import NoiseType

_CHOICES: Final[dict[str, Any]] = {
    "noise_type": NoiseType,
    "opt": OptimizerName,
    "schedule": Schedule,
    "latent_map": LatentMap,
    "return_image": ReturnImage,
}
_LEAST: Final = {
    "steps": 1,
    "duplicates": 1,
    "fit_samples": 2,  # one has no deviation
    "trainable_noise_layers": 0,
    "hr_size": 1,
    "batch_size": 1,
    "seed": -math.inf,
}
_NULL_MEANS: Final = {
    "hr_size": "null takes the prior's own size",
    "batch_size": "null chooses by memory",
}
_FLAGS: Final = frozenset({"sphere", "tile_latent", "bf16", "channels_last", "compile"})


def check_arguments(values: Mapping[str, Any]) -> None:
    """Check the arguments of :class:`~.module.PULSE` that need no prior to be judged.

    Args:
        values: argument to value; others are ignored.

    Raises:
        ConfigError: the first that cannot work.
    """
    for name, value in values.items():
        wanted = _what_is_wanted(name, value)
        if wanted is not None:
            raise ConfigError(f"PULSE: {name}={value!r} cannot work; {wanted}.")


def zeroed_maps(given: int | Sequence[int] | None, prior: LoadedPrior) -> frozenset[int]:
    """Indices of the noise maps that ``bad_noise_layers`` makes zero; None is the last one.

    Raises:
        ConfigError: no whole numbers, or maps that the prior does not have.
    """
    last = len(prior.network.noise_shapes) - 1
    if given is None:
        return frozenset([last])
    indices: Any = [given] if isinstance(given, int) else given
    if isinstance(indices, str | bytes) or not isinstance(indices, Sequence):
        indices = [indices]
    if not all(_is_whole(index) and 0 <= index <= last for index in indices):
        raise ConfigError(
            f"PULSE: bad_noise_layers={given!r} cannot work; give whole numbers in a list, such as "
            f"[{last}]: the noise maps of {prior.name} are 0 to {last}."
        )
    return frozenset(indices)


def _what_is_wanted(name: str, value: Any) -> str | None:
    """What a value should have been; None where it is right."""
    if name in _CHOICES and value not in get_args(_CHOICES[name]):
        return f"choose {', '.join(get_args(_CHOICES[name]))}"
    if name in _FLAGS and not isinstance(value, bool):
        return "it is true or false"
    if name in _LEAST and not (value is None and name in _NULL_MEANS):
        least = _LEAST[name]
        if not _is_whole(value) or value < least:
            bound = "" if least == -math.inf else f" of at least {least}"
            null = f"; {_NULL_MEANS[name]}" if name in _NULL_MEANS else ""
            return f"it is a whole number{bound}{null}"
    if name == "lr" and not (_is_finite(value) and value > 0):
        return "it is a finite number above 0"
    if name == "eps" and not (_is_finite(value) and value >= 0):
        return "it is a finite number, 0 or above"
    if name == "loss" and not isinstance(value, str):
        return "it is a text such as 100*L2+0.05*GEOCROSS"
    return None


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)
