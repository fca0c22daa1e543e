"""The camera: lens blur, exposure, tone curve, white balance, vignette and sensor noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .noise import sensor_grain
from .photo import Photo
from .ramps import FloatArray

LENS = 0.010
"""Deviation of the blur at strength 1, as a share of the image's side."""


def _blurred(plane: FloatArray, sigma: float) -> FloatArray:
    """Gaussian-like blur of (3, H, W) by repeated three-tap passes; ``sigma`` in pixels."""
    variance = sigma * sigma
    if variance < 0.02:
        return plane
    rounds = int(np.ceil(variance / 0.5))
    side = 0.5 * variance / rounds
    out = plane.copy()
    for _ in range(rounds):
        middle = out[:, 1:-1] * (1.0 - 2.0 * side)
        middle += (out[:, :-2] + out[:, 2:]) * side
        out[:, 1:-1] = middle
        middle = out[:, :, 1:-1] * (1.0 - 2.0 * side)
        middle += (out[:, :, :-2] + out[:, :, 2:]) * side
        out[:, :, 1:-1] = middle
    return out


def expose(light: FloatArray, photo: Photo, size: int) -> npt.NDArray[np.uint8]:
    """Develop linear light into an image.

    Args:
        light: Linear light (3, N, N), N a multiple of ``size``.
        photo: Camera settings.
        size: Side of the image.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    factor = light.shape[1] // size
    light = _blurred(light, photo.blur * LENS * light.shape[1] * 0.5)
    if factor == 2:
        rows = light[:, 0::2] + light[:, 1::2]
        light = (rows[:, :, 0::2] + rows[:, :, 1::2]) * 0.25
    elif factor > 1:
        light = light.reshape(3, size, factor, size, factor).mean(axis=(2, 4))
    if photo.grey:
        luma = light[0] * 0.299 + light[1] * 0.587 + light[2] * 0.114
        light = np.stack([luma, luma, luma])
    axis = ((np.arange(size, dtype=np.float32) + 0.5) * (2.0 / size) - 1.0) ** 2
    dim = 1.0 - (axis[:, None] + axis[None, :]) * photo.vignette
    dim *= photo.exposure
    grain = sensor_grain(size, photo.grain_variant)
    out = np.empty((size, size, 3), dtype=np.uint8)
    for channel in range(3):
        plane = light[channel] * (dim * photo.balance[channel])
        np.maximum(plane, 0.0, out=plane)
        # A shoulder instead of clipping, then gamma 2 and contrast about middle grey.
        plane *= 1.0 / (1.0 + 0.22 * plane * plane)
        np.sqrt(plane, out=plane)
        plane -= 0.48
        plane *= photo.contrast
        plane += 0.48
        noise = grain[0 if photo.grey else channel]
        plane += noise * photo.grain
        plane *= 255.0
        plane += 0.5
        np.clip(plane, 0.0, 255.0, out=plane)
        out[:, :, channel] = plane.astype(np.uint8)
    return out
