"""CycleGAN for faces: the fully-cycled competitor of SCGAN's Tables 5 to 7."""

from .module import CycleGAN

__all__ = ["CycleGAN"]
