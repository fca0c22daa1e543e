"""PULSE: self-supervised photo upsampling via latent space exploration of generative models."""

from .module import PULSE

__all__ = ["PULSE"]
