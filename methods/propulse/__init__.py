"""Pro-PULSE: progressive encoders of LR faces into the W+ space of a frozen StyleGAN2."""

from .module import ProPULSE

__all__ = ["ProPULSE"]
