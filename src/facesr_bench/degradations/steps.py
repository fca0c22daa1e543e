"""Steps of a random degradation, as albumentations transforms that work in float64.

albumentations composes and drives them (probabilities, order, reseeding); the operators are ours,
because its own alter pixels wrongly for this purpose: uint8 noise truncates toward zero, JPEG encodes
RGB as BGR, Downscale gives back the original size. Each step's ``draw`` is shared with the version on
the device (:mod:`facesr_bench.degradations.device`).
"""

import math
from abc import abstractmethod
from typing import Any

import albumentations
import numpy as np
from numpy.typing import NDArray

from facesr_bench.degradations.blind import blur_matrix, jpeg
from facesr_bench.degradations.separable import separable
from facesr_bench.resize import Kernel, resize_matrix

Pixels = NDArray[np.float64]
Range = tuple[float, float]


class Step(albumentations.ImageOnlyTransform):  # type: ignore[misc]
    """One operator on float64 (H, W, 3), scale 0..255.

    Args:
        p: how often it is applied.
    """

    def __init__(self, p: float = 1.0) -> None:
        super().__init__(p=p)

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """This image's strength, as arguments of ``apply``."""

    def get_params(self) -> dict[str, Any]:
        """What albumentations calls before ``apply``; its generator was reseeded for this image."""
        return self.draw(self.random_generator)


class Blur(Step):
    """Isotropic Gaussian blur, borders reflected.

    Args:
        sigma: range in pixels of the image it is applied to.
        p: how often it is applied.
    """

    def __init__(self, sigma: Range, p: float = 1.0) -> None:
        super().__init__(p)
        self.sigma = sigma

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """One uniform number."""
        return {"sigma": float(rng.uniform(*self.sigma))}

    def apply(self, img: Pixels, sigma: float = 0.0, **params: Any) -> Pixels:
        """Blur both axes."""
        down, across = (blur_matrix(n, sigma) for n in img.shape[:2])
        return separable(img, down, across)


class Reduce(Step):
    """Antialiased reduction by a whole factor, always applied.

    Args:
        factor: side over side.
        operator: kernel.
    """

    def __init__(self, factor: int, operator: Kernel = "bicubic") -> None:
        super().__init__(1.0)
        self.factor, self.operator = factor, operator

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """Nothing to draw."""
        return {}

    def apply(self, img: Pixels, **params: Any) -> Pixels:
        """Reduce both axes."""
        down, across = (resize_matrix(n, n // self.factor, self.operator) for n in img.shape[:2])
        return separable(img, down, across)


class MotionBlur(Step):
    """Blur along a straight line, borders reflected.

    Args:
        length: range of whole pixels, both ends included.
        p: how often it is applied.
    """

    def __init__(self, length: tuple[int, int], p: float = 1.0) -> None:
        super().__init__(p)
        self.length = length

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """Length, then angle in degrees within [0, 180)."""
        length = int(rng.integers(self.length[0], self.length[1], endpoint=True))
        return {"length": length, "angle": float(rng.uniform(0.0, 180.0))}

    def apply(self, img: Pixels, length: int = 1, angle: float = 0.0, **params: Any) -> Pixels:
        """Filter with the line."""
        import cv2

        kernel = line_kernel(length, angle)
        filtered = cv2.filter2D(img, cv2.CV_64F, kernel, borderType=cv2.BORDER_REFLECT_101)
        return np.asarray(filtered)


class Noise(Step):
    """Gaussian noise, independent for every pixel and channel.

    Args:
        sigma: range on the scale 0..255.
        p: how often it is applied.
    """

    def __init__(self, sigma: Range, p: float = 1.0) -> None:
        super().__init__(p)
        self.sigma = sigma

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """Sigma, then the seed of the field."""
        return {"sigma": float(rng.uniform(*self.sigma)), "seed": int(rng.integers(2**63))}

    def apply(self, img: Pixels, sigma: float = 0.0, seed: int = 0, **params: Any) -> Pixels:
        """Add the field."""
        return img + sigma * np.random.default_rng(seed).standard_normal(img.shape)


class Jpeg(Step):
    """Rounded to 8 bits, then JPEG by Pillow with 4:2:0 chroma.

    Args:
        quality: range of whole numbers, both ends included.
        p: how often it is applied.
    """

    def __init__(self, quality: tuple[int, int], p: float = 1.0) -> None:
        super().__init__(p)
        self.quality = quality

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """One whole number."""
        low, high = self.quality
        return {"quality": int(rng.integers(low, high, endpoint=True))}

    def apply(self, img: Pixels, quality: int = 100, **params: Any) -> Pixels:
        """Encode and decode."""
        return jpeg(np.rint(img.clip(0.0, 255.0)).astype(np.uint8), quality).astype(np.float64)


def line_kernel(length: int, angle: float) -> Pixels:
    """A line of ``length`` pixels through the centre, as an odd square kernel that sums to one.

    Args:
        length: in pixels.
        angle: degrees, counter-clockwise from the x axis.
    """
    reach = math.ceil(length / 2)
    side = 2 * reach + 1
    kernel = np.zeros((side, side))
    # Sampled densely and shared among the four nearest taps, so that every angle is as long.
    along = (np.arange(16 * length) + 0.5) / 16 - length / 2
    x = reach + along * math.cos(math.radians(angle))
    y = reach - along * math.sin(math.radians(angle))
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for dx in (0, 1):
        for dy in (0, 1):
            share = np.abs(1 - dx - (x - left)) * np.abs(1 - dy - (y - top))
            inside = (left + dx < side) & (top + dy < side)
            np.add.at(kernel, (top[inside] + dy, left[inside] + dx), share[inside])
    return np.asarray(kernel / kernel.sum())
