"""CMU Multi-PIE: people seen by many cameras under many flashes, in up to four sessions."""

from .recipe import MultiPIE

__all__ = ["MultiPIE"]
