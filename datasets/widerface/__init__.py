"""WIDER FACE: real small faces, cut out of photos by the official annotations."""

from .recipe import WiderFace

__all__ = ["WiderFace"]
