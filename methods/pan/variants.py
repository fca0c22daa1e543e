"""The paper's experiments as constructor arguments, and the checks of what may be combined."""

import math
from collections.abc import Collection, Mapping
from typing import Any, Literal, get_args

from facesr_bench.errors import ConfigError

from .generator import NoisePlace
from .layers import sides_up_to
from .losses import Objective
from .schedule import PhaseUnit

NoiseEval = Literal["random", "zero"]

PAPER_VARIANTS: Mapping[str, Mapping[str, Any]] = {
    # Table 2
    "PAN": {},
    "L1 loss": {"objective": "l1"},
    "L2 loss": {"objective": "l2"},
    "non-progressive": {"progressive": False},
    "non-noise": {"noise": "none"},
    # Fig. 9, at x2: from all levels of skip connections to none, finest first
    "skips to 64": {"skip_resolutions": (8, 16, 32, 64)},
    "skips to 32": {"skip_resolutions": (8, 16, 32)},
    "skips to 16": {"skip_resolutions": (8, 16)},
    "skips to 8": {"skip_resolutions": (8,)},
    "no skips": {"skip_resolutions": ()},
    # Fig. 5, 128 -> 256 and 128 -> 512 (the factor follows the data: data.hr_size, data.factor)
    "x2": {"hr_size": 256, "factor": 2},
    "x4": {"hr_size": 512, "factor": 4},
    # Other readings of the text
    "noise at each resolution": {"noise": "all"},
    "iterations": {"phase_unit": "iterations"},
    "pixel norm": {"pixelnorm": True},
}

_CHOICES: Mapping[str, Any] = {
    "objective": Objective,
    "noise": NoisePlace,
    "noise_eval": NoiseEval,
    "phase_unit": PhaseUnit,
}

_LIMITS: Mapping[str, tuple[bool, float, float]] = {
    # whether only whole numbers, least, and what it must be below
    "hr_size": (True, 1, math.inf),
    "factor": (True, 1, math.inf),
    "pool": (True, 1, math.inf),
    "channel_base": (True, 1, math.inf),
    "channel_max": (True, 1, math.inf),
    "gamma": (False, 0, math.inf),
    "beta2": (False, 0, 1),
    "ema_half_life": (False, 0, math.inf),
    "consistency_every": (True, 1, math.inf),
    "noise_seed": (True, 0, math.inf),
}


def check_choices(**given: str) -> None:
    """Raise a ConfigError unless each argument is one of the words it may be."""
    for name, value in given.items():
        choices = get_args(_CHOICES[name])
        if value not in choices:
            raise ConfigError(f"PAN: {name}={value!r} is not one of {', '.join(choices)}.")


def check_numbers(**given: float) -> None:
    """Raise a ConfigError unless each argument is a number within its limits."""
    for name, value in given.items():
        whole, least, below = _LIMITS[name]
        kinds = (int,) if whole else (int, float)
        if not isinstance(value, kinds) or isinstance(value, bool) or not least <= value < below:
            kind = "whole number" if whole else "number"
            limits = f"of at least {least}" + (f" and below {below}" if below < math.inf else "")
            raise ConfigError(f"PAN: {name}={value!r} is not a {kind} {limits}.")


def check_sides(hr_size: int, factor: int, pool: int) -> tuple[int, int]:
    """LR side and side of the network's output.

    Raises:
        ConfigError: a size that is no power of two, an LR face below 8 px, or nothing to enlarge.
    """
    for name, value, least in (("hr_size", hr_size, 16), ("factor", factor, 2), ("pool", pool, 1)):
        if value < least or value & (value - 1):
            raise ConfigError(f"PAN: {name}={value} is not a power of two of at least {least}.")
    if hr_size // factor < 8:
        raise ConfigError(
            f"PAN: hr_size={hr_size} and factor={factor} give LR faces of {hr_size // factor} px, "
            "but its smallest stage reads 8; choose a smaller factor."
        )
    return hr_size // factor, hr_size * pool


def check_skips(skips: str | Collection[int], lr_side: int) -> tuple[int, ...]:
    """Sides whose skip connection is kept; "all" is every side of the encoder.

    Raises:
        ConfigError: a word that is not "all", or a side that the encoder does not have.
    """
    sides = sides_up_to(lr_side)
    if skips == "all":
        return sides
    if isinstance(skips, str) or not isinstance(skips, Collection):
        raise ConfigError(
            f"PAN: skip_resolutions={skips!r} is neither all nor a list, for example [8, 16]."
        )
    if unknown := [side for side in skips if side not in sides]:
        raise ConfigError(
            f"PAN: skip_resolutions keeps {', '.join(map(str, unknown))}, but the encoder of "
            f"{lr_side} px LR faces has {', '.join(map(str, sides))}."
        )
    return tuple(skips)
