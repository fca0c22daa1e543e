"""What size images must have, and what happens to those that do not."""

from collections import Counter
from collections.abc import Iterable, Sequence

from facesr_bench.errors import ConfigError
from facesr_bench.images import Size

SQUARE_ENOUGH = 0.05
"""Largest relative change of the aspect ratio a resize may make; beyond it faces look squeezed."""


def read_size(name: str, value: int | Sequence[int] | None) -> Size | None:
    """A side, or [height, width], or None.

    Raises:
        ConfigError: anything else.
    """
    if value is None:
        return None
    sides = [value, value] if isinstance(value, int) else list(value)
    # type() and not isinstance(): True is an int, and no size.
    if len(sides) != 2 or any(type(side) is not int or side < 1 for side in sides):
        raise ConfigError(
            f"{name} must be a side in pixels, [height, width] or null, but is {value!r}."
        )
    return sides[0], sides[1]


def show(size: Size) -> str:
    """A size for messages; squares need no word on which side comes first."""
    note = "" if size[0] == size[1] else " (height x width)"
    return f"{size[0]}x{size[1]} pixels{note}"


def most_common(sizes: Iterable[Size]) -> Size | None:
    """The size most images have, the larger one on a draw."""
    counts = Counter(sizes)
    return max(counts, key=lambda size: (counts[size], size), default=None)


def misfit(size: Size, wanted: Size, operator: str | None, *, is_hr: bool) -> str | None:
    """Why an image of this size cannot be used, or None if it can.

    Args:
        size: height, width of the file.
        wanted: height, width it must have.
        operator: what resizes it, None when sizes must match exactly.
        is_hr: HR is never enlarged: the result would not be ground truth.
    """
    if size == wanted:
        return None
    if operator is None:
        return f"is {show(size)}, not {show(wanted)}"
    ratio = (size[0] * wanted[1]) / (size[1] * wanted[0])
    if not 1 / (1 + SQUARE_ENOUGH) <= ratio <= 1 + SQUARE_ENOUGH:
        return f"is {show(size)}, too far from the shape of {show(wanted)} to resize; crop it first"
    if is_hr and (size[0] < wanted[0] or size[1] < wanted[1]):
        return f"is {show(size)}; enlarging it to {show(wanted)} would invent ground truth"
    return None
