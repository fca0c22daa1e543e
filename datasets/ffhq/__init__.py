"""FFHQ: 70,000 aligned faces at 1024x1024."""

from .recipe import FFHQ

__all__ = ["FFHQ"]
