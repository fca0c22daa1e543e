"""What every degradation checks: its ranges, its factor, and the image it is handed."""

from collections.abc import Sequence

import numpy as np

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.images import Size, UInt8Image


def check_factor(factor: int) -> int:
    """Refuse a factor that is not a whole number of at least one."""
    if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
        raise ConfigError(
            f"A degradation's factor is HR side over LR side, a whole number of at least 1, but is "
            f"{factor!r}."
        )
    return factor


def check_range(
    name: str, value: Sequence[float], low: float, high: float, *, open_low: bool = False
) -> tuple[float, float]:
    """Read ``[smallest, largest]`` and refuse what lies outside the operator's domain.

    Args:
        name: the argument, for the message.
        value: two numbers; equal ones fix the draw.
        low: smallest value that makes sense.
        high: largest value that makes sense.
        open_low: whether ``low`` itself is excluded.

    Raises:
        ConfigError: not two numbers, in the wrong order, or outside the domain.
    """
    try:
        smallest, largest = (float(number) for number in value)
    except (TypeError, ValueError):
        raise ConfigError(
            f"{name} must be two numbers, [smallest, largest], but is {value!r}."
        ) from None
    above = smallest > low if open_low else smallest >= low
    if not (above and smallest <= largest <= high):  # nan compares false and is refused too
        bracket = "(" if open_low else "["
        raise ConfigError(
            f"{name}=[{smallest:g}, {largest:g}] must run upwards within {bracket}{low:g}, "
            f"{high:g}]. Give the smallest value first; null switches the step off."
        )
    return smallest, largest


def lr_size(hr: UInt8Image, factor: int) -> Size:
    """Height and width of the LR image.

    Raises:
        DataError: ``hr`` is not uint8 (H, W, 3).
        ConfigError: a side cannot be divided by the factor.
    """
    if hr.dtype != np.uint8 or hr.ndim != 3 or hr.shape[2] != 3:
        raise DataError(
            f"A degradation takes uint8 (H, W, 3), but was given {hr.dtype} {hr.shape}. "
            "Read images with facesr_bench.images.read_rgb."
        )
    height, width, _ = hr.shape
    if height < factor or width < factor or height % factor or width % factor:
        raise ConfigError(
            f"An HR image of {height}x{width} pixels cannot be reduced by {factor}: both sides "
            f"must be multiples of {factor}. Change data.hr_size or data.factor."
        )
    return height // factor, width // factor
