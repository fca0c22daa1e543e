"""Data that ``facesr-bench prepare`` wrote, chosen and combined into the splits of a protocol."""

from .data import Prepared

__all__ = ["Prepared"]
