"""Put the layers together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .accessories import Hat, put_on_glasses, put_on_hat
from .background import paint_background
from .beard import paint_beard
from .body import lay_body, lay_ears
from .brows import paint_brows
from .camera import expose
from .eyes import eye_opening, highlight_eyes, paint_eyes
from .face import Face, describe
from .hair import Hair, grow_hair, paint_hair
from .head import View
from .identity import draw_identity
from .mouth import mouth_corner, paint_mouth
from .photo import draw_photo
from .ramps import Box, FloatArray, blend, boxed, shade, shifted
from .relief import add_relief, nose_tip
from .shading import light_face
from .skin import nostrils, paint_skin

SIZES = (16, 32, 64, 128, 256, 512, 1024)
DOMAINS = ("studio", "side_light")
LIP_END = 0.965
"""The lips fade out over the last bit of the mouth; the corner is annotated where they end."""


def _check(size: int, domain: str) -> None:
    if size not in SIZES:
        known = ", ".join(str(s) for s in SIZES)
        raise ValueError(f"size must be one of {known} pixels, got {size!r}; pick the nearest one.")
    if domain not in DOMAINS:
        known = " or ".join(f"'{name}'" for name in DOMAINS)
        raise ValueError(f"domain must be {known}, got {domain!r}.")


def working_pixels(size: int) -> int:
    """Side of the grid a face of ``size`` pixels is drawn on.

    Two by two samples per pixel; more below 64 px, where features are smaller than a sample, and
    one from 512 px up, where every edge is wider than a pixel anyway.
    """
    return max(size * 2, 128) if size < 512 else size


def render_face(seed: int, identity: int, photo: int, size: int, domain: str = "studio") -> Face:
    """Render one photo of one person.

    Args:
        seed: Seed of the whole population.
        identity: Number of the person; proportions, skin, hair and age depend on (seed, identity).
        photo: Number of the photo; pose, expression, light and camera depend on all three.
        size: Side of the image in pixels, a power of two from 16 to 1024.
        domain: ``studio`` (colour, varied light) or ``side_light`` (grey, strongly side-lit,
            coarser sensor noise).

    Returns:
        The image with its exact landmarks and attributes.

    Raises:
        ValueError: If ``size`` or ``domain`` is unknown.
    """
    _check(size, domain)
    person = draw_identity(seed, identity)
    shot = draw_photo(seed, identity, photo, person, domain)
    view = View(person, shot, working_pixels(size))
    canvas = paint_background(view)
    hair = grow_hair(view)
    hat = put_on_hat(view)
    if hair is not None:
        strands = paint_hair(hair)
        # Hair behind the head lies in the shadow of the head.
        blend(canvas, hair.rear, strands * 0.55)
    lay_body(view, canvas)
    lay_ears(view, canvas)
    box = view.face_box()
    blend(canvas[:, box[0], box[1]], view.mask[box], _paint_face(view, box, hair, hat))
    if hair is not None:
        blend(canvas, hair.front, strands)
    put_on_glasses(view, canvas)
    if hat is not None:
        blend(canvas, hat.cover, hat.paint)
    return Face(
        image=expose(canvas, shot, size),
        landmarks=_landmarks(view, size),
        identity=identity,
        attributes=describe(person, shot),
    )


def _paint_face(view: View, box: Box, hair: Hair | None, hat: Hat | None) -> FloatArray:
    """Lit skin with its features, (3, h, w) in the window ``box``."""
    skin, fine = paint_skin(view, box)
    # Features address the full grid; pages of it that nothing touches cost nothing.
    albedo = np.zeros((3, view.pixels, view.pixels), dtype=np.float32)
    albedo[:, box[0], box[1]] = skin
    relief = add_relief(view)
    nostrils(view, (slice(0, view.pixels), slice(0, view.pixels)), albedo)
    paint_eyes(view, albedo)
    paint_beard(view, albedo, relief)
    paint_mouth(view, albedo, relief)
    paint_brows(view, albedo)
    window = albedo[:, box[0], box[1]]
    lit = light_face(view, box, relief[box], fine, window)
    shadow = _shadow_from_above(view, box, hair, hat)
    if shadow is not None:
        shade(lit, 1.0 - shadow)
    albedo[:, box[0], box[1]] = lit
    highlight_eyes(view, albedo)
    return albedo[:, box[0], box[1]]


def _shadow_from_above(
    view: View, box: Box, hair: Hair | None, hat: Hat | None
) -> FloatArray | None:
    """Shadow of hair and hat on the face: their coverage moved away from the lamp and blurred."""
    cover: FloatArray | None = None if hair is None else hair.front[box]
    if hat is not None:
        cover = hat.cover[box] if cover is None else np.maximum(cover, hat.cover[box])
    if cover is None:
        return None
    lx, ly, _ = view.photo.light
    reach = (0.075 if hat is not None else 0.050) / view.step
    moved = shifted(cover, round(-ly * reach), round(-lx * reach))
    depth = 0.55 if hat is not None else 0.45
    return boxed(moved, max(round(0.022 / view.step), 1)) * depth


def _landmarks(view: View, size: int) -> npt.NDArray[np.float32]:
    points = [eye_opening(view, -1), eye_opening(view, 1), nose_tip(view)]
    for side in (-1, 1):
        u, v = mouth_corner(view, side)
        points.append((u * LIP_END, v))
    return np.array([view.pixel(u, v, size) for u, v in points], dtype=np.float32)
