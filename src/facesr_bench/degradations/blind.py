"""LR as a poor camera makes it: blur, reduction, exposure, noise, JPEG, each of random strength.

With the default ranges and no exposure this is the "complex degradation" of SCGAN (Hou et al.,
IEEE TIP 2023): ``JPEG_q((I * k) down + n)``. The paper names ranges, no libraries; ours are:

* blur: isotropic Gaussian of sigma in HR pixels, ``2 ceil(3 sigma) + 1`` taps, reflected borders;
* reduction: antialiased bilinear or bicubic (a = -0.5) by an even coin, equal to torch's
  ``interpolate(antialias=True)``;
* noise: Gaussian on the 0..255 scale, independent for every pixel and channel;
* clipped and rounded to 8 bits, then JPEG by Pillow with 4:2:0 chroma.

Everything before the rounding runs in float64: in float32 a few pixels in a million differ between
CPU instruction sets, and then the LR set's hash would too.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.degradations.arguments import check_factor, check_range, lr_size
from facesr_bench.degradations.base import Degradation
from facesr_bench.errors import ConfigError
from facesr_bench.images import UInt8Image
from facesr_bench.resize import KERNELS, Kernel, resize_matrix


@dataclass(frozen=True)
class Strength:
    """What was drawn for one image.

    Attributes:
        blur: sigma in HR pixels; 0 leaves the image sharp.
        operator: kernel of the reduction.
        exposure: factor on the 8-bit values (not on linear light).
        noise: sigma on the 0..255 scale.
        quality: JPEG quality, or None for no JPEG.
    """

    blur: float
    operator: Kernel
    exposure: float
    noise: float
    quality: int | None


def blur_matrix(size: int, sigma: float) -> NDArray[np.float64]:
    """Gaussian blur of one axis as a matrix (size, size); rows sum to one.

    Borders are reflected without repeating the edge pixel, over and over where the kernel is longer
    than the image.
    """
    if sigma == 0.0 or size == 1:
        return np.eye(size)
    reach = math.ceil(3.0 * sigma)
    offsets = np.arange(-reach, reach + 1)
    taps = np.exp(-0.5 * (offsets / sigma) ** 2)
    taps /= taps.sum()
    period = 2 * (size - 1)
    columns = (np.arange(size)[:, None] + offsets) % period
    columns = np.minimum(columns, period - columns)
    flat = columns + np.arange(size)[:, None] * size
    weights = np.broadcast_to(taps, flat.shape).ravel()
    matrix = np.zeros(size * size)
    np.add.at(matrix, flat.ravel(), weights)
    return matrix.reshape(size, size)


def jpeg(image: UInt8Image, quality: int) -> UInt8Image:
    """Encode and decode with Pillow, 4:2:0."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(buffer) as decoded:
        return np.array(decoded, dtype=np.uint8)


class Blind(Degradation):
    """Random blur, reduction, exposure, noise and JPEG.

    The order of draws is part of the protocol: five uniform numbers (blur, operator, exposure,
    noise sigma, quality), then the noise field. All are always drawn, so switching one step off, or
    changing its range, leaves the others' values as they were.

    Args:
        factor: HR side over LR side.
        blur: range of sigma in HR pixels, above 0; None: no blur.
        noise: range of sigma on the 0..255 scale; None: no noise.
        jpeg: range of the quality, whole numbers in 1..100, both ends included; None: no JPEG.
        exposure: range of a factor on the 8-bit values, applied before the noise; None: no change.
        operators: kernels of the reduction, drawn with equal chance.

    Raises:
        ConfigError: naming the argument that cannot be.
    """

    def __init__(
        self,
        factor: int = 4,
        *,
        blur: Sequence[float] | None = (0.5, 8.0),
        noise: Sequence[float] | None = (1.0, 25.0),
        jpeg: Sequence[int] | None = (30, 95),
        exposure: Sequence[float] | None = None,
        operators: Sequence[Kernel] = ("bilinear", "bicubic"),
    ) -> None:
        self.factor = check_factor(factor)
        self.blur = None if blur is None else check_range("blur", blur, 0.0, 100.0, open_low=True)
        self.noise = None if noise is None else check_range("noise", noise, 0.0, 255.0)
        self.jpeg = None if jpeg is None else _qualities(jpeg)
        self.exposure = None
        if exposure is not None:
            self.exposure = check_range("exposure", exposure, 0.0, 10.0, open_low=True)
        unknown = [name for name in operators if name not in KERNELS]
        if unknown or isinstance(operators, str) or not operators:
            raise ConfigError(
                f"operators must be a list of at least one of {', '.join(KERNELS)}, but is "
                f"{operators if isinstance(operators, str) else list(operators)!r}."
            )
        self.operators: tuple[Kernel, ...] = tuple(operators)

    def draw(self, rng: np.random.Generator) -> Strength:
        """Draw one image's strengths: exactly five uniform numbers, in the fields' order."""
        blur, operator, exposure, noise, quality = (float(u) for u in rng.random(5))
        return Strength(
            blur=_between(self.blur, blur, off=0.0),
            operator=self.operators[int(operator * len(self.operators))],
            exposure=_between(self.exposure, exposure, off=1.0),
            noise=_between(self.noise, noise, off=0.0),
            quality=(
                None
                if self.jpeg is None
                else self.jpeg[0] + int(quality * (self.jpeg[1] - self.jpeg[0] + 1))
            ),
        )

    def __call__(self, hr: UInt8Image, rng: np.random.Generator) -> UInt8Image:
        """uint8 (H, W, 3) to uint8 (H / factor, W / factor, 3)."""
        height, width = lr_size(hr, self.factor)
        drawn = self.draw(rng)
        field = rng.standard_normal((height, width, 3))
        # Blur and reduction are linear, so each axis is one small matrix.
        down, across = (
            resize_matrix(n_in, n_out, drawn.operator) @ blur_matrix(n_in, drawn.blur)
            for n_in, n_out in zip(hr.shape[:2], (height, width), strict=True)
        )
        rows = (down @ hr.reshape(hr.shape[0], -1).astype(np.float64)).reshape(height, -1, 3)
        values = (across @ rows) * drawn.exposure + drawn.noise * field
        lr = np.rint(values.clip(0.0, 255.0)).astype(np.uint8)
        return lr if drawn.quality is None else jpeg(lr, drawn.quality)

    def settings(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kind": "blind",
            "factor": self.factor,
            "blur": None if self.blur is None else list(self.blur),
            "operators": list(self.operators),
            "exposure": None if self.exposure is None else list(self.exposure),
            "noise": None if self.noise is None else list(self.noise),
            "jpeg": None if self.jpeg is None else list(self.jpeg),
            "jpeg_subsampling": "4:2:0",
        }


def _between(span: tuple[float, float] | None, uniform: float, off: float) -> float:
    return off if span is None else span[0] + uniform * (span[1] - span[0])


def _qualities(value: Sequence[int]) -> tuple[int, int]:
    low, high = check_range("jpeg", value, 1, 100)
    if low != int(low) or high != int(high):
        raise ConfigError(f"jpeg=[{low:g}, {high:g}] must be whole numbers: JPEG qualities are.")
    return int(low), int(high)
