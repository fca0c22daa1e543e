"""pSp: an encoder into W+, the competitor of Pro-PULSE."""

from .module import PSP

__all__ = ["PSP"]
