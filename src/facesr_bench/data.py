"""The contract of a data set: what a sample is, which splits exist, and nothing about how to train.

A data set is a plug-in file in ``datasets/`` with one class that subclasses :class:`FaceData`, and a
YAML in ``conf/data/`` that names it. It hands out images at rest (uint8, RGB); turning HR into LR,
batching, ordering and hashing are the harness's work, so that they are the same for every data set.
"""

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image

Role = Literal["train", "train_lr", "val", "test", "exemplar"]
"""``train`` holds HR (or pairs), ``train_lr`` unpaired LR, ``val`` and ``test`` what is measured,
``exemplar`` target-domain pairs an adaptation method may see."""


MOST_BYTES = 200
"""Of a file's or folder's name in a key: file systems stop at 255, and writers append to it."""
# Surrogates stand for bytes that are no text and can be stored nowhere but on the disk they are from.
_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f\x7f\ud800-\udfff]')
_DEVICES = frozenset(
    ["aux", "con", "nul", "prn", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))]
)


@dataclass(frozen=True)
class Sample:
    """One item of a data set.

    Attributes:
        key: stable string id, a relative POSIX path with extension ("0001/0002.png").
        hr: uint8 (H, W, 3) RGB, or None where no ground truth exists.
        lr: uint8 (h, w, 3) RGB when the owner provides it (real LR, paired sets), else None: then
            the protocol's degradation makes it from ``hr``.
        identity: who it is, for metrics and intervals that resample people.
        attributes: numbers by name (age, glasses, skin tone ...).
        landmarks: float32 (5, 2), x and y in HR pixels: the eye on the viewer's left, the other eye,
            nose tip, mouth corner on the viewer's left, the other corner.
        domain: where the image comes from, for adaptation protocols.
        border: uint8, the photo around the HR crop and the crop itself, at a resolution of its own, for
            degradations that rotate or shift; None where there is none.
        border_size: pixels of ``border`` beyond the crop: top, right, bottom, left.
    """

    key: str
    hr: UInt8Image | None = None
    lr: UInt8Image | None = None
    identity: str | None = None
    attributes: Mapping[str, float] = field(default_factory=dict)
    landmarks: NDArray[np.float32] | None = None
    domain: str | None = None
    border: UInt8Image | None = None
    border_size: tuple[int, int, int, int] = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        if self.hr is None and self.lr is None:
            raise DataError(f"Sample {self.key!r} has neither an HR nor an LR image.")


class FaceDataset(Dataset[Sample], ABC):
    """One split: a map-style data set whose keys are known without opening an image.

    Attributes:
        keys: of its samples, in their order.
        cheap: whether a sample costs no decoding, so that nothing is gained by keeping it in memory.
    """

    keys: Sequence[str]
    cheap: bool = False

    @abstractmethod
    def __getitem__(self, index: int) -> Sample: ...

    def __len__(self) -> int:
        return len(self.keys)


class FaceData(ABC):
    """One data set: its name, and its explicit splits (never drawn at run time)."""

    name: str

    @abstractmethod
    def split(self, role: Role) -> FaceDataset | None:
        """Open one split; None when this data set has no such split.

        Raises:
            DataError: the split should be there but is missing or damaged.
        """

    def check_test(self, hr_size: int, lr_size: int) -> None:  # noqa: B027  (most cannot tell)
        """Refuse sides that the test split is known not to have, before anything is trained.

        A data set that must open images to tell leaves it to the freezing of the test set.

        Raises:
            ConfigError: the test images have other sides, and what to do about it.
        """

    def origin(self, role: Role) -> str:
        """Where a split's images come from, in a word: equal words and keys mean the same image.

        A data set that reads several collections names them.
        """
        return type(self).__name__

    def provenance(self) -> list[dict[str, Any]]:
        """Where the images of the splits opened so far come from, as plain values for the run record.

        A data set whose arguments already say everything has nothing to add.
        """
        return []


def check_keys(keys: Sequence[str]) -> None:
    """Refuse keys that cannot become file names below ``sr/`` on every machine.

    Raises:
        DataError: an empty, absolute or climbing key, one with a part no Windows can store or too
            long for a file system, a repeated key, or two keys that differ only in case or in how
            accents are encoded (one file on macOS and Windows).
    """
    seen: dict[str, str] = {}
    for key in keys:
        parts = key.split("/")
        if not key or "\0" in key or "\\" in key or any(part in {"", ".", ".."} for part in parts):
            raise DataError(
                f"The key {key!r} is not a relative POSIX path. Keys name files below sr/, so they "
                "may not be empty, absolute or contain '..'."
            )
        for part in parts:
            why = _unstorable(part)
            if why:
                raise DataError(
                    f"The key {key!r} cannot be a file on every system: {part[:60]!r} {why}. Rename "
                    "the file, or its folder."
                )
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", key).casefold())
        if folded in seen:
            other = seen[folded]
            how = (
                "appears twice"
                if other == key
                else f"differs from {other!r} only in case or in how its accents are encoded"
            )
            raise DataError(f"The key {key!r} {how}; every sample needs a key of its own.")
        seen[folded] = key


def _unstorable(part: str) -> str | None:
    """Why a file or folder of this name cannot be made on some system, or None where it can."""
    odd = _FORBIDDEN.search(part)
    if odd:
        return f"holds {odd[0]!r}"
    if part.endswith((".", " ")):
        return "ends in a dot or blank"
    if part.partition(".")[0].rstrip(" ").casefold() in _DEVICES:
        return "is the name of a device on Windows"
    size = len(part.encode())
    return f"has {size} bytes, more than {MOST_BYTES}" if size > MOST_BYTES else None
