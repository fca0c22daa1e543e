"""PAN: perceptual image super-resolution with a progressive adversarial network."""

from .module import PAN

__all__ = ["PAN"]
