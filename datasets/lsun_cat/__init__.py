"""LSUN cat: no faces, but what PAN shows its upsampler works on."""

from .recipe import LSUNCat

__all__ = ["LSUNCat"]
