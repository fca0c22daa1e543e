"""What lies where in a prepared folder, and where prepared folders lie."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image, hash_images, read_rgb

FORMAT = 1
"""Of the folder; raised when an older reader would misread it."""


@dataclass(frozen=True)
class Layout:
    """The files of one prepared folder.

    Attributes:
        root: the folder. If its manifest is there, it is complete: the manifest is written last.
    """

    root: Path

    @property
    def manifest(self) -> Path:
        """One row for each image."""
        return self.root / "manifest.parquet"

    @property
    def facts(self) -> Path:
        """How it was made: recipe, arguments, sources, counts, versions."""
        return self.root / "prepared.json"

    @property
    def sheet(self) -> Path:
        """Some images, to look at."""
        return self.root / "contact_sheet.png"

    @property
    def images(self) -> Path:
        """The images, as PNG named by their keys."""
        return self.root / "images"

    @property
    def borders(self) -> Path:
        """The same with more of the photo around them, where the recipe has it."""
        return self.root / "border"

    @property
    def work(self) -> Path:
        """What only a running or interrupted preparation needs; goes away at the end."""
        return self.root / ".work"

    @property
    def lock(self) -> Path:
        """Held by the process that prepares."""
        return self.root / ".lock"

    def image(self, key: str) -> Path:
        """One image."""
        return self.images / key

    def border(self, key: str) -> Path:
        """One image with its border."""
        return self.borders / key

    @property
    def complete(self) -> bool:
        """Whether everything is there."""
        return self.manifest.is_file()

    @property
    def started(self) -> bool:
        """Whether a preparation was begun here and not finished."""
        return self.work.is_dir() and not self.complete


def data_root() -> Path:
    """``FACESR_DATA``, or ``data/`` in the working directory."""
    chosen = os.environ.get("FACESR_DATA")
    return Path(chosen).expanduser() if chosen else Path("data")


def default_folder(name: str, size: int) -> Path:
    """Where ``prepare`` writes and data YAMLs look when nobody says otherwise."""
    return data_root() / f"{name}-{size}"


def read_checked(layout: Layout, key: str, row: Mapping[str, Any], bordered: bool) -> UInt8Image:
    """Read a prepared image and compare its hash with its row.

    Raises:
        DataError: naming a file that is missing, damaged or changed.
    """
    path = layout.border(key) if bordered else layout.image(key)
    image = read_rgb(path, orientation="stored")
    if hash_images([(key, image)]) != row["border_sha256" if bordered else "sha256"]:
        raise DataError(
            f"{path} is not the image that was prepared: its pixels have another hash. Delete it and "
            "give the same command again if the preparation is not finished; else delete the folder."
        )
    return image
