"""``niqe`` and ``niqe_up192``: how natural an image looks, without a reference; lower is better.

The rule is the 2013 release's: full-range grey, 96x96 blocks, MATLAB's bicubic for the half scale,
the release's pristine model. It needs several blocks, so images with a short side below 192 pixels
are first enlarged to exactly 192. That makes another quantity: it has its own name, and the two
never share a mean. (Below 192 other implementations score a single block without a word, or stop.)

One literature has two conventions: BasicSR's and VQFR's papers score the studio-swing Y of BT.601
(16 to 235) by the same rule, up to 0.25 apart at native size and 0.52 enlarged. That is ``niqe@bt601``
(``niqe_up192@bt601``), a key of its own.

Enlarging rewards light noise, and blur can look natural: read the value beside those of bicubic and
of HR. HR's own mean over the same images is reported as the value's ``floor``.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from facesr_bench.errors import ConfigError, NotComputed
from facesr_bench.images import UInt8Image
from facesr_bench.metrics.base import Expected, Need, PerImageMetric, ScoreBatch, pixels
from facesr_bench.metrics.feature_cache import (
    KeyedFeatures,
    cache_path,
    read_features,
    write_features,
)
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.niqe_features import BLOCK, DUST, Plane, block_features, grey, studio_luma
from facesr_bench.metrics.niqe_model import PristineModel, pristine_model
from facesr_bench.metrics.value import MetricValue

NATIVE, ENLARGED = "niqe", "niqe_up192"
Colour = Literal["full", "bt601"]
_LUMA: dict[Colour, Callable[[UInt8Image], Plane]] = {"full": grey, "bt601": studio_luma}
_SAID: dict[Colour, str] = {
    "full": "full-range grey round(.299R+.587G+.114B), after any enlarging",
    "bt601": "BT.601 luma round(16+(65.481R+128.553G+24.966B)/255), after any enlarging",
}
SHORTEST = 2 * BLOCK
_HR = "hr/"  # before the name of a table that holds scores of HR images


def enlarged(image: UInt8Image) -> UInt8Image:
    """The image with a short side of at least 192 pixels.

    A smaller one goes through Pillow's bicubic in 8-bit RGB: grey first would move a score by up to
    0.33. The long side is rounded in proportion, halves up.
    """
    short = min(image.shape[:2])
    if short >= SHORTEST:
        return image
    height, width = ((2 * side * SHORTEST + short) // (2 * short) for side in image.shape[:2])
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def niqe(
    image: UInt8Image, model: PristineModel, exact: bool = False, colour: Colour = "full"
) -> float:
    """NIQE of a uint8 (H, W, 3) image; nan where fewer than two blocks are not flat.

    Args:
        image: below 192 pixels it is enlarged, see :func:`enlarged`.
        model: of pristine images.
        exact: see :func:`facesr_bench.metrics.niqe_features.block_features`.
        colour: what is scored, see :class:`NIQE`.
    """
    return model.distance(block_features(_LUMA[colour](enlarged(image)), exact))


class NIQE(PerImageMetric):
    """Natural Image Quality Evaluator (Mittal, Soundararajan, Bovik 2013), on 8-bit RGB.

    Args:
        exact: count rounding dust in flat areas and round the window to float32, as pyiqa does; for
            comparing with it. By default normalised values below 1e-6 are zero: their sign is chance.
        score_hr: score HR images too, where there are any, for the value's ``floor``.
        colour: "full": grey from 0 to 255, as the release and pyiqa; "bt601": studio-swing Y, as
            BasicSR and VQFR, under keys that end in "@bt601".

    Raises:
        ConfigError: no such colour.
    """

    higher_is_better = False
    value_range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    needs: ClassVar[frozenset[Need]] = frozenset()

    def __init__(self, exact: bool = False, score_hr: bool = True, colour: Colour = "full") -> None:
        super().__init__()
        if colour not in get_args(Colour):
            raise ConfigError(f"NIQE: colour={colour} is not one of {', '.join(get_args(Colour))}.")
        self.colour: Colour = colour
        ending = "" if colour == "full" else f"@{colour}"
        self._native, self._enlarged = NATIVE + ending, ENLARGED + ending
        self.exact = exact
        self.score_hr = score_hr
        self.model = pristine_model()
        self._hr_file: Path | None = None
        self._hr_known: dict[str, float] = {}
        self._expected_images = 0

    @property
    def keys(self) -> tuple[str, ...]:
        """``niqe``, or ``niqe_up192`` once it is known that the images are small."""
        present = tuple(name for name in (self._native, self._enlarged) if name in self._tables)
        return present or (self._native,)

    def settings(self) -> dict[str, Any]:
        """Colour, blocks, sizes, and the pristine model by its numbers."""
        as_it_is = self.keys == (self._native,)
        return {
            "colour": _SAID[self.colour],
            "images": "uint8",
            "enlarged": None if as_it_is else f"8-bit RGB, Pillow bicubic, short side {SHORTEST}",
            "blocks": f"{BLOCK}x{BLOCK}, whole ones from the top left",
            "half_scale": "MATLAB bicubic, antialiased",
            "zero_below": 0.0 if self.exact else DUST,
            "window": "7x7 Gaussian, sigma 7/6" + (", in float32" if self.exact else ""),
            "pristine_sha256": self.model.digest[:16],
            "reduction": "mean of images",
        }

    def expect(self, expected: Expected) -> None:
        """Look for the HR images' scores of an earlier run."""
        super().expect(expected)
        if self.score_hr and expected.hr_hash is not None:
            facts = {"niqe": self.model.digest, "zero_below": 0.0 if self.exact else DUST}
            if self.colour != "full":  # unnamed, so that what is kept already is found
                facts["colour"] = self.colour
            self._expected_images = expected.images
            self._hr_file = cache_path(expected.hr_hash, facts, "cpu")
            known = read_features(self._hr_file, 1)
            if known is not None:
                self._hr_known = dict(zip(known.keys, known.rows[:, 0].tolist(), strict=True))

    def reset(self) -> None:
        """Forget all rows and what was expected."""
        super().reset()
        self._hr_file, self._hr_known, self._expected_images = None, {}, 0

    def score(self, batch: ScoreBatch) -> dict[str, NDArray[np.float64]]:
        """Scores of SR, and of HR where wanted, under the name that belongs to their size."""
        large = min(batch.sr.shape[2:]) >= SHORTEST
        name = self._native if large else self._enlarged
        scores = {name: self._each(batch.sr)}
        if self.score_hr and batch.hr is not None:
            if all(key in self._hr_known for key in batch.keys):
                found = np.array([self._hr_known[key] for key in batch.keys])
            else:  # rounded as the cache holds them, so that a second run says the same
                found = self._each(batch.hr).astype(np.float32).astype(np.float64)
            scores[_HR + name] = np.where(found < 0, np.nan, found)
        return scores

    def _each(self, images: Tensor) -> NDArray[np.float64]:
        return np.array(
            [niqe(image, self.model, self.exact, self.colour) for image in pixels(images)]
        )

    def results(self, intervals: Intervals) -> dict[str, MetricValue]:
        """The mean of the images, with HR's mean over the same images as its floor."""
        if len(self.keys) > 1:
            raise NotComputed(
                f"some images have a short side of {SHORTEST} pixels or more ({self._native}), others "
                f"are smaller and would be enlarged ({self._enlarged}); the two cannot share a "
                "mean, so score them as two test sets"
            )
        name = self.keys[0]
        self._keep_hr(name)
        table = self._tables[name]
        keys = table.keys
        scores = table.take(keys)
        counted = np.isfinite(scores)
        if not counted.any():
            raise NotComputed(f"none of the {len(keys)} images could be scored (flat?)")
        mean = MetricValue(
            value=float(np.mean(scores[counted])),
            higher_is_better=bool(self.higher_is_better),
            n=int(counted.sum()),
            settings=self.settings(),
            floor=self._floor(name, [key for key, good in zip(keys, counted, strict=True) if good]),
            per_image=True,
            not_scored=int((~counted).sum()),
        )
        return {name: mean.within(intervals.mean(keys, scores))}

    def _keep_hr(self, name: str) -> None:
        """Keep the HR images' scores for the next method; -1 stands for an image without a score."""
        table = self._tables.get(_HR + name)
        if self._hr_file is None or table is None or len(table) != self._expected_images:
            return  # some image has no HR, or the set is not whole
        keys = table.keys
        scores = table.take(keys)
        rows = np.where(np.isfinite(scores), scores, -1.0).astype(np.float32)[:, None]
        write_features(self._hr_file, KeyedFeatures(keys, rows))

    def _floor(self, name: str, keys: list[str]) -> float | None:
        """HR's mean over these images; None where one has no HR image, or none can be scored."""
        table = self._tables.get(_HR + name)
        if table is None or not set(keys) <= set(table.keys):
            return None
        scores = table.take(keys)
        counted = scores[np.isfinite(scores)]
        return float(np.mean(counted)) if len(counted) else None

    def per_image(self) -> dict[str, dict[str, float]]:
        """SR's scores; HR's are the same for every method."""
        return {name: column for name, column in super().per_image().items() if name in self.keys}
