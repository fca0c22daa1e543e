"""CelebA: 202,599 photos of 10,177 people, aligned by their owner, with a split by person."""

from .recipe import CelebA

__all__ = ["CelebA"]
