"""CASIA-WebFace, as folders of people or as InsightFace's records."""

from .recipe import WebFace

__all__ = ["WebFace"]
