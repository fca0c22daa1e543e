"""StyleGAN2 as a prior to be trained: ``+method=stylegan2 +data=...``."""

from .module import StyleGAN2Prior

__all__ = ["StyleGAN2Prior"]
