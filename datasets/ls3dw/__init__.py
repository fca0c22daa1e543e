"""LS3D-W balanced: faces in the wild with 68 landmarks, as many for each third of the yaw range."""

from .recipe import LS3DW

__all__ = ["LS3DW"]
