"""Side outputs: SR images of smaller sides that a method makes on the way, stored beside ``sr/``.

A method that draws its face at several resolutions offers them by
:meth:`~facesr_bench.method.Method.side_sizes`; ``side_outputs=all`` (or a list of sides) keeps them
under ``sr_<side>/`` and scores each at its own size. Their metrics carry the side in their name:
``psnr_rgb`` of the 128-pixel images is ``psnr_rgb_128px``, ``fid@SET`` is ``fid_128px@SET``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.data import FaceDataset, Sample
from facesr_bench.degradations.resizing import pillow_resize
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.method import Method
from facesr_bench.protocol import TestSet, canonical_hash
from facesr_bench.resize import Kernel
from facesr_bench.store import SRStore

HR_OPERATOR: Kernel = "box"
"""How HR is reduced to a side: means of pixels, rounded to 8 bits."""

_FEW = re.compile(r"(?P<few>_n\d+)?$")  # of a distance of few images; it stays last before "@"


def chosen_sides(asked: Any, method: Method) -> tuple[int, ...]:
    """The sides that ``side_outputs`` of the configuration asks this method for, in order.

    Args:
        asked: None for none, "all", or a list of sides.
        method: offers some, or none.

    Raises:
        ConfigError: sides the method does not make.
    """
    if asked is None or asked == []:
        return ()
    offered = sorted(method.side_sizes())
    name = type(method).__name__
    if not offered:
        raise ConfigError(f"{name} makes no side outputs here; leave side_outputs=null.")
    if asked == "all":
        return tuple(offered)
    if not isinstance(asked, list) or any(side not in offered for side in asked):
        raise ConfigError(
            f"side_outputs={asked!r}: {name} makes side outputs of {', '.join(map(str, offered))} "
            f"pixels here. Give some of them as a list, side_outputs=[{offered[-1]}], or all."
        )
    return tuple(sorted(set(asked)))


def key_at(key: str, side: int) -> str:
    """A metric's name for the images of one side: "fid@set" becomes "fid_128px@set"."""
    stem, at, rest = key.partition("@")
    return _FEW.sub(lambda few: f"_{side}px{few['few'] or ''}", stem, count=1) + at + rest


class SideStores:
    """The folders ``sr_<side>/`` of one run.

    Args:
        folder: of the run.
        sides: in pixels.
    """

    def __init__(self, folder: Path, sides: Sequence[int]) -> None:
        self.stores = {side: SRStore(folder / f"sr_{side}") for side in sides}

    def write(self, keys: Sequence[str], images: Mapping[int, NDArray[np.uint8]]) -> None:
        """Write a batch, uint8 (B, side, side, 3) by side; before its images in ``sr/`` are."""
        for side, store in self.stores.items():
            store.write(keys, images[side])

    def is_made(self, key: str) -> bool:
        """Whether this key's images of all sides are there."""
        return all(store.path(key).is_file() for store in self.stores.values())

    def sweep(self, keys: Sequence[str]) -> None:
        """Delete images of other keys than these."""
        for store in self.stores.values():
            store.sweep(keys, written_now=keys)

    def drop(self, keys: Sequence[str]) -> None:
        """Delete the images of these keys (``keep_sr=false``)."""
        for store in self.stores.values():
            store.drop(keys)

    def facts(self, test_set: TestSet) -> dict[str, dict[str, Any]]:
        """For the record: one hash over all images of each side, and what they are compared with."""
        return {
            str(side): {
                "sr_hash": store.hash(test_set.keys),
                "hr_hash": reduced(test_set, side).hr_hash,
                "hr_operator": HR_OPERATOR,
            }
            for side, store in self.stores.items()
        }

    def check(self, facts: Mapping[str, Mapping[str, Any]], keys: Sequence[str]) -> None:
        """Refuse images that are not those the run wrote.

        Raises:
            DataError: an image is missing or another one.
        """
        for side, store in self.stores.items():
            digest, then = store.hash(keys), facts[str(side)]["sr_hash"]
            if digest != then:
                raise DataError(
                    f"The images in {store.root} are not those the run wrote: their sr_hash is "
                    f"{digest[:12]}, the record says {then[:12]}."
                )


def reduced(test_set: TestSet, side: int) -> TestSet:
    """The same test set with ground truth of another side.

    Its ``hr_hash`` follows from that of the images it is made of.
    """
    hr_hash = None
    if test_set.hr_hash is not None:
        hr_hash = canonical_hash({"hr": test_set.hr_hash, "side": side, "operator": HR_OPERATOR})
    dataset = _Reduced(test_set._dataset, side)
    return replace(test_set, hr_hash=hr_hash, _dataset=dataset)


class _Reduced(FaceDataset):
    """Samples whose HR has been reduced to one side, and their landmarks with it."""

    def __init__(self, dataset: FaceDataset, side: int) -> None:
        self.keys = dataset.keys
        self._dataset, self._side = dataset, side

    def __getitem__(self, index: int) -> Sample:
        sample = self._dataset[index]
        if sample.hr is None:
            return sample
        landmarks = sample.landmarks
        if landmarks is not None:  # pixel centres lie at whole numbers
            scale = self._side / sample.hr.shape[0]
            landmarks = ((landmarks + 0.5) * scale - 0.5).astype(np.float32)
        hr = pillow_resize(sample.hr, (self._side, self._side), HR_OPERATOR)
        return replace(sample, hr=hr, landmarks=landmarks)
