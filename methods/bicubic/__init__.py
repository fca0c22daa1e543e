"""Plain interpolation: the row every other method has to beat."""

from .module import Interpolation

__all__ = ["Interpolation"]
