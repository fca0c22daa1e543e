"""The contract of a recipe: how one owner's files become images with keys, splits and facts.

A recipe is a plug-in: one class in ``datasets/`` and a YAML in ``conf/prepare/`` that names it. It says
which files it expects, finds them in a :class:`~facesr_bench.prepare.sources.SourceSet`, parses the
owner's annotations and hands out one :class:`Raw` for each image. Decoding, resizing, writing, hashing,
resuming and the contact sheet are the harness's work.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from facesr_bench.images import UInt8Image
from facesr_bench.prepare.sources import SourceSet
from facesr_bench.resize import Kernel

SplitName = Literal["train", "val", "test"]
Landmarks = NDArray[np.float32]


@dataclass(frozen=True)
class Raw:
    """One image before it is resized.

    Attributes:
        key: of the prepared image, a relative POSIX path ending in ".png".
        split: where the owner or the spec puts it.
        read: decodes and crops: uint8 (H, W, 3), RGB, stored orientation. Called in a worker thread,
            at most once; raises DataError for a damaged file.
        source: path inside the owner's files, for the manifest.
        identity: who it is, or None.
        attributes: numbers by name.
        landmarks: float32 (5, 2), x and y in pixels of what ``read`` returns (first pixel's centre
            at 0), in the order of :class:`facesr_bench.data.Sample`; None where the owner gives none.
        domain: for adaptation protocols ("frontal", "light-07"), or None.
        role: "hr", or "lr" for a real low-resolution face that has no ground truth.
        read_border: the same crop with more of the photo around it, for degradations that rotate or
            shift; None where there is no more photo. It is stored as it is, not resized.
        border: pixels (top, right, bottom, left) that ``read_border`` shows beyond ``read``.
    """

    key: str
    split: SplitName
    read: Callable[[], UInt8Image]
    source: str
    identity: str | None = None
    attributes: Mapping[str, float] = field(default_factory=dict)
    landmarks: Landmarks | None = None
    domain: str | None = None
    role: Literal["hr", "lr"] = "hr"
    read_border: Callable[[], UInt8Image] | None = None
    border: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True)
class Plan:
    """What a recipe found.

    Attributes:
        items: in the order of their keys.
        notes: sentences for the summary: what was left out and why, with counts.
    """

    items: Sequence[Raw]
    notes: Sequence[str] = ()


class Recipe(ABC):
    """Base of every recipe; constructor arguments are plain values, set by ``--set NAME=VALUE``.

    Class facts are what ``facesr-bench prepare --list`` prints.
    """

    name: ClassVar[str]
    """As on the command line; also the default folder's name, with the size."""
    title: ClassVar[str]
    licence: ClassVar[str]
    where: ClassVar[str]
    """Where a person gets it: address or form, and which files."""
    expected: ClassVar[tuple[str, ...]]
    """Files or folders the owner distributes, as a person would see them."""
    disk: ClassVar[str]
    """Size of the owner's files ("1.4 GB")."""
    version: ClassVar[int] = 1
    """Raised whenever the same source would give other images, keys or splits."""
    published: ClassVar[Mapping[str, tuple[int | None, str]]] = {}
    """Bytes (None: not known) and md5 of the owner's archives by base name; others are noted."""
    archives: ClassVar[tuple[str, ...]] = ("*.zip", "*.tar", "*.tar.gz", "*.tgz")
    """Archives inside a given folder that are opened too, as glob patterns on the base name."""
    size: ClassVar[int] = 128
    """Default side of the prepared images, in pixels."""
    operator: Kernel = "bicubic"
    """What resizes (Pillow, antialiased, 8 bits)."""
    stretch: bool = False
    """Whether images that are not square are stretched to a square; refused without it."""
    enlarge: bool = False
    """Whether images smaller than the wanted size are enlarged; refused without it, as an enlarged
    image is no ground truth."""
    lr_size: int | None = None
    """Side of the prepared LR images. None: LR beside HR is kept as ``read`` returns it; where there is
    no HR at all, ``--size`` is the side of the LR."""

    @abstractmethod
    def plan(self, sources: SourceSet) -> Plan:
        """Find the files, parse the annotations, decide keys and splits; open no image yet.

        Raises:
            DataError: what is missing or damaged: the path looked at, what was found, what to do.
        """
