"""The head's base surface and the mapping between image, screen and face coordinates.

Three systems: *frame* ([-1, 1] across the image, y down), *screen* (frame turned upright and scaled
to face units, origin between the eyes of a frontal head) and *face* (u to the viewer's right, v
down, painted on the head: what the features are defined in).
"""

from __future__ import annotations

import functools
import math

import numpy as np

from .identity import Identity
from .photo import Photo
from .ramps import Box, FloatArray, edge

AIM = (0.0, 0.185)
"""Frame position on which the centre of eyes and mouth is put, as aligned crops do."""


@functools.lru_cache(maxsize=8)
def _frame_grid(pixels: int) -> tuple[FloatArray, FloatArray]:
    axis = ((np.arange(pixels, dtype=np.float32) + 0.5) * (2.0 / pixels) - 1.0).astype(np.float32)
    x = np.ascontiguousarray(np.broadcast_to(axis[None, :], (pixels, pixels)))
    y = np.ascontiguousarray(np.broadcast_to(axis[:, None], (pixels, pixels)))
    for grid in (x, y):
        grid.setflags(write=False)
    return x, y


class View:
    """One head in front of one pixel grid.

    Attributes:
        pixels: Side of the working grid.
        step: Size of a working pixel in face units.
        x: Screen coordinates (pixels, pixels), likewise ``y``.
        u: Face coordinates of the base surface, likewise ``v``.
        z: Height of the base surface towards the camera.
        rim: 0 at the centre of the head, 1 on its outline.
        mask: Coverage of the head (0..1).
    """

    def __init__(self, person: Identity, photo: Photo, pixels: int) -> None:
        """Place the head and compute the coordinate grids."""
        self.person, self.photo, self.pixels = person, photo, pixels
        self.step = 2.0 / (pixels * photo.zoom)
        self._cy, self.sy = math.cos(photo.yaw), math.sin(photo.yaw)
        self._cp, self.sp = math.cos(photo.pitch), math.sin(photo.pitch)
        self._cr, self._sr = math.cos(photo.roll), math.sin(photo.roll)
        mouth_v = person.nose_length + person.mouth_height
        (ax, ay), (bx, by) = self.screen(0.0, 0.0), self.screen(0.0, mouth_v)
        mx, my = 0.5 * (ax + bx), 0.5 * (ay + by)
        self._tx = AIM[0] + photo.shift[0] - photo.zoom * (self._cr * mx - self._sr * my)
        self._ty = AIM[1] + photo.shift[1] - photo.zoom * (self._sr * mx + self._cr * my)
        fx, fy = _frame_grid(pixels)
        inverse = 1.0 / photo.zoom
        cos, sin = self._cr * inverse, self._sr * inverse
        self.x: FloatArray = fx * cos + (fy * sin - (self._tx * cos + self._ty * sin))
        self.y: FloatArray = fy * cos - (fx * sin + (self._ty * cos - self._tx * sin))
        self.rim = self._rim_grid()
        dome = np.maximum(1.0 - self.rim, 0.0)
        self.z: FloatArray = np.sqrt(dome) * person.depth
        self.u: FloatArray = self.x * self._cy - self.z * self.sy
        self.v: FloatArray = self.y * self._cp - (self.x * self.sy + self.z * self._cy) * self.sp
        self.mask = edge(1.0 - self.rim, max(3.2 * self.step, 0.02))

    def _rim_grid(self) -> FloatArray:
        p = self.person
        below = np.maximum(self.y, 0.0)
        above = np.minimum(self.y, 0.0)
        across = np.abs(self.x - (0.30 * self.sy) * below)
        across /= p.width * (1.0 - p.taper * np.minimum(below, 1.2))
        np.power(across, p.side_power, out=across)
        above *= 1.0 / p.top
        above *= above
        above *= np.sqrt(np.sqrt(above))
        below *= 1.0 / p.chin
        np.power(below, p.jaw_power, out=below)
        across += above
        across += below
        return across

    def _rim_point(self, x: float, y: float) -> float:
        p = self.person
        below = max(y, 0.0)
        across = abs(x - 0.30 * self.sy * below) / (p.width * (1.0 - p.taper * min(below, 1.2)))
        return float(
            across**p.side_power + abs(min(y, 0.0) / p.top) ** 2.5 + (below / p.chin) ** p.jaw_power
        )

    def screen(self, u: float, v: float, rounds: int = 14) -> tuple[float, float]:
        """Screen position of a point of the base surface, by fixed-point iteration.

        Each round leaves about a third of the error; windows, which have margins, need few.
        """
        x, y = u, v
        for _ in range(rounds):
            z = self.person.depth * math.sqrt(max(1.0 - self._rim_point(x, y), 0.0))
            x_new = (u + z * self.sy) / self._cy
            y_new = (v + (x * self.sy + z * self._cy) * self.sp) / self._cp
            x, y = x + 0.7 * (x_new - x), y + 0.7 * (y_new - y)
        return x, y

    def pixel(self, u: float, v: float, size: int, rounds: int = 14) -> tuple[float, float]:
        """Image position of (u, v) on a grid of ``size`` pixels, pixel centres at integers."""
        x, y = self.screen(u, v, rounds)
        fx = self._tx + self.photo.zoom * (self._cr * x - self._sr * y)
        fy = self._ty + self.photo.zoom * (self._sr * x + self._cr * y)
        return (fx + 1.0) * 0.5 * size - 0.5, (fy + 1.0) * 0.5 * size - 0.5

    def _near(self, u: float, v: float) -> tuple[float, float]:
        """Working pixel near (u, v), from an ellipsoid: windows have margins and need no more."""
        p = self.person
        round_off = (u / p.width) ** 2 + (v / (p.chin if v > 0 else p.top)) ** 2
        z = p.depth * math.sqrt(max(1.0 - round_off, 0.05))
        x = (u + z * self.sy) / self._cy
        y = (v + (x * self.sy + z * self._cy) * self.sp) / self._cp
        fx = self._tx + self.photo.zoom * (self._cr * x - self._sr * y)
        fy = self._ty + self.photo.zoom * (self._sr * x + self._cr * y)
        return (fx + 1.0) * 0.5 * self.pixels - 0.5, (fy + 1.0) * 0.5 * self.pixels - 0.5

    def box(self, u: float, v: float, half_u: float, half_v: float) -> Box:
        """Sub-window of the working grid around (u, v) with the given half sizes."""
        px, py = self._near(u, v)
        cos, sin = abs(self._cr), abs(self._sr)
        reach_x = (half_u * cos + half_v * sin) / self.step * 1.10 + 3
        reach_y = (half_v * cos + half_u * sin) / self.step * 1.10 + 3
        last = self.pixels
        left = min(max(int(px - reach_x), 0), last - 2)
        upper = min(max(int(py - reach_y), 0), last - 2)
        right = max(min(int(px + reach_x) + 1, last), left + 2)
        lower = max(min(int(py + reach_y) + 1, last), upper + 2)
        return slice(upper, lower), slice(left, right)

    def face_box(self) -> Box:
        """Sub-window that holds the whole head outline."""
        p = self.person
        half_h = 0.5 * (p.top + p.chin)
        middle = 0.5 * (p.chin - p.top)
        fx = self._tx - self.photo.zoom * self._sr * middle
        fy = self._ty + self.photo.zoom * self._cr * middle
        px, py = (fx + 1.0) * 0.5 * self.pixels, (fy + 1.0) * 0.5 * self.pixels
        half_w = p.width + 0.05 + 0.1 * abs(self.sy)
        reach_x = (half_w * abs(self._cr) + half_h * abs(self._sr)) / self.step + 2
        reach_y = (half_h * abs(self._cr) + half_w * abs(self._sr)) / self.step + 2
        last = self.pixels
        return (
            slice(max(int(py - reach_y), 0), min(int(py + reach_y) + 1, last)),
            slice(max(int(px - reach_x), 0), min(int(px + reach_x) + 1, last)),
        )
