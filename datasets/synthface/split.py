"""A split of rendered faces in memory, and the archive that ships one as PNG files."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facesr_bench.data import FaceDataset, Sample
from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image, read_rgb

_BROKEN = (OSError, KeyError, ValueError, zipfile.BadZipFile)


class Faces(FaceDataset):
    """A split held as arrays."""

    def __init__(
        self,
        keys: Sequence[str],
        hr: Sequence[UInt8Image],
        landmarks: np.ndarray,
        attributes: Sequence[dict[str, float]],
        domain: str,
        lr: Sequence[UInt8Image] | None = None,
    ) -> None:
        self.keys = keys
        self._hr, self._lr, self._landmarks = hr, lr, landmarks
        self._attributes, self._domain = attributes, domain

    def __getitem__(self, index: int) -> Sample:
        key = self.keys[index]
        return Sample(
            key,
            hr=self._hr[index],
            lr=None if self._lr is None else self._lr[index],
            identity=key.split("/", 1)[0],
            attributes=self._attributes[index],
            landmarks=self._landmarks[index],
            domain=self._domain,
        )


def read_archive(path: Path, domain: str) -> Faces:
    """Read a split shipped as PNG files (``hr/<key>``, ``lr/<key>``) and ``faces.json``.

    Raises:
        DataError: the archive is missing or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            facts = json.loads(archive.read("faces.json"))
            keys = sorted(facts)
            hr = [read_rgb(archive.read(f"hr/{key}"), orientation="stored") for key in keys]
            lr = [read_rgb(archive.read(f"lr/{key}"), orientation="stored") for key in keys]
    except _BROKEN as error:
        raise _damaged(path, error) from error
    landmarks = np.array([facts[key]["landmarks"] for key in keys], dtype=np.float32)
    return Faces(keys, hr, landmarks, [facts[key]["attributes"] for key in keys], domain, lr)


def sides_in(path: Path) -> tuple[int, int]:
    """HR and LR side of a shipped split, by its first face.

    Raises:
        DataError: the archive is missing or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            key = min(json.loads(archive.read("faces.json")))
            hr, lr = (
                read_rgb(archive.read(f"{what}/{key}"), orientation="stored").shape[0]
                for what in ("hr", "lr")
            )
    except _BROKEN as error:
        raise _damaged(path, error) from error
    return hr, lr


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"The shipped test faces {path} are missing or damaged ({error}); install the package again."
    )
