"""What stands in a row beside its numbers."""

from collections.abc import Mapping
from typing import Any

from facesr_bench.leaderboard.markdown import marks


def marks_of(record: Mapping[str, Any]) -> list[str]:
    """What a reader must know of a row, in a few words each."""
    return marks(record)
