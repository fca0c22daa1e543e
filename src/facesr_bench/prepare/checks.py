"""What a plan must be before the first image is opened."""

from collections.abc import Sequence

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.prepare.recipe import Raw


def check_plan(items: Sequence[Raw], name: str) -> None:
    """Refuse plans whose keys cannot all become files.

    Args:
        items: of the plan.
        name: the recipe's, for messages.

    Raises:
        DataError: no image at all, a repeated key, keys that differ only in case, or a key that is
            also the folder of another.
        ConfigError: the recipe itself is wrong: a key without ".png".
    """
    from facesr_bench.data import check_keys

    keys = [raw.key for raw in items]
    if not keys:
        raise DataError(f"The recipe {name} found no image in the sources.")
    check_keys(keys)
    odd = next((key for key in keys if not key.endswith(".png")), None)
    if odd is not None:
        raise ConfigError(f"The recipe {name} is wrong: its key {odd!r} does not end in '.png'.")
    files = {key.casefold() for key in keys}
    for key in keys:
        parts = key.casefold().split("/")
        for depth in range(1, len(parts)):
            if "/".join(parts[:depth]) in files:
                raise DataError(f"The key {key!r} needs a folder where another key is a file.")
