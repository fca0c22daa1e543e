"""Procedural faces, the embedded data set: `render_face` draws one, `SynthFace` holds splits."""

from .face import Face
from .population import SynthFace
from .render import DOMAINS, SIZES, render_face

__all__ = ["DOMAINS", "SIZES", "Face", "SynthFace", "render_face"]
