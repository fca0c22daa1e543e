"""SCGAN: semi-cycled generative adversarial networks for real-world face super-resolution."""

from .module import SCGAN

__all__ = ["SCGAN"]
