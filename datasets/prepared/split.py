"""One split of prepared data: samples from a mapped pack, or from PNG files where there is none."""

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facesr_bench.data import FaceDataset, Sample
from facesr_bench.degradations.resizing import pillow_resize
from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image, read_rgb
from facesr_bench.prepare.layout import Layout
from facesr_bench.prepare.packing import Pack, open_pack

from .store import Store


class PreparedSplit(FaceDataset):
    """Chosen rows of a prepared folder.

    It holds the chosen rows' facts as arrays; pixels stay on disk. A process that unpickles it opens
    the packs itself, so that any number of workers share one copy: the system's page cache.

    Args:
        store: the folder.
        rows: of its manifest, ascending.
        role: whether the images are HR or LR.
        border: whether samples carry their border image.
        pool: HR in means of blocks of so many pixels, and the whole image as the border image.

    Raises:
        DataError: a pack is missing or does not fit, or there is no border although it is asked for.
    """

    def __init__(
        self,
        store: Store,
        rows: NDArray[np.int64],
        role: Literal["hr", "lr"],
        border: bool,
        pool: int = 1,
    ) -> None:
        chosen = rows.tolist()
        self.keys = [store.keys[row] for row in chosen]
        self.role = role
        self._pool = pool
        self._layout: Layout = store.layout
        self._identity = [store.identity[row] for row in chosen]
        self._domain = [store.domain[row] for row in chosen]
        self._names, self._attributes = store.names, store.attributes[rows]
        self._landmarks = store.landmarks[rows]
        self._shapes = np.stack([store.height[rows], store.width[rows]], axis=1)
        self._border = store.border[rows] if border else None
        self._border_shapes = store.border_shape[rows]
        if self._border is not None and (self._border < 0).any():
            lacking = int((self._border[:, 0] < 0).sum())
            raise DataError(
                f"{lacking:,} of the {len(rows):,} images chosen from {store.layout.root} have no "
                "border, which border: true asks for. Prepare with a recipe that has one, or take "
                "border: false."
            )
        self._images = _Pixels(store.layout, store.packs, rows, bordered=False)
        self._wide = _Pixels(store.layout, store.packs, rows, bordered=True) if border else None
        packed = self._images.packed and (self._wide is None or self._wide.packed)
        self.cheap = pool == 1 and packed

    def __getitem__(self, index: int) -> Sample:
        index = range(len(self.keys))[index]
        key = self.keys[index]
        image = self._images.read(index, key, tuple(self._shapes[index].tolist()))
        border, border_size = None, (0, 0, 0, 0)
        if self._wide is not None and self._border is not None:
            top, right, bottom, left = self._border[index].tolist()
            border_size = (top, right, bottom, left)
            border = self._wide.read(index, key, tuple(self._border_shapes[index].tolist()))
        points = self._landmarks[index]
        if self._pool > 1:
            border, points = image, points / self._pool
            size = image.shape[0] // self._pool, image.shape[1] // self._pool
            image = pillow_resize(image, size, "box")
        return Sample(
            key,
            hr=image if self.role == "hr" else None,
            lr=image if self.role == "lr" else None,
            identity=self._identity[index],
            attributes=self._facts(index),
            landmarks=None if np.isnan(points[0, 0]) else points.copy(),
            domain=self._domain[index],
            border=border,
            border_size=border_size,
        )

    def _facts(self, index: int) -> dict[str, float]:
        if not self._names:
            return {}
        values = self._attributes[index].tolist()
        return {name: v for name, v in zip(self._names, values, strict=True) if not math.isnan(v)}


class _Pixels:
    """Images, or border images, of chosen rows: each from the pack that has it, else from its file."""

    def __init__(
        self, layout: Layout, packs: list[Pack], rows: NDArray[np.int64], bordered: bool
    ) -> None:
        self._layout, self._bordered = layout, bordered
        self._packs: list[tuple[Path, Pack]] = []
        self._pack = np.full(len(rows), -1, dtype=np.int16)
        self._at = np.zeros(len(rows), dtype=np.int64)
        self._open: dict[int, NDArray[np.uint8]] = {}
        for pack in packs:
            if pack.bordered != bordered:
                continue
            held = np.asarray(pack.rows, dtype=np.int64)
            at = np.searchsorted(held, rows).clip(max=len(held) - 1)
            mine = held[at] == rows
            if mine.any():
                self._pack[mine] = len(self._packs)
                self._at[mine] = at[mine]
                # Only the shape is needed from here on, not the list of rows.
                path = layout.root / pack.file
                open_pack(path, pack)
                self._packs.append((path, pack))

    @property
    def packed(self) -> bool:
        """Whether all images are in packs."""
        return bool((self._pack >= 0).all())

    def __getstate__(self) -> dict[str, Any]:
        """Without the maps: pickling one would copy all its pixels."""
        return {**self.__dict__, "_open": {}}

    def read(self, index: int, key: str, shape: tuple[int, ...]) -> UInt8Image:
        """One image; the caller may write to it.

        Raises:
            DataError: naming the file that is missing, damaged or of another size.
        """
        number = int(self._pack[index])
        if number >= 0:
            if number not in self._open:
                # A plain array over the map: indexing the subclass costs more than the copy.
                self._open[number] = np.asarray(open_pack(*self._packs[number]))
            packed: UInt8Image = self._open[number][self._at[index]].copy()
            return packed
        path = self._layout.border(key) if self._bordered else self._layout.image(key)
        image = read_rgb(path, orientation="stored")
        if image.shape[:2] != shape:
            raise DataError(
                f"{path} is {image.shape[1]}x{image.shape[0]} pixels, but the manifest says "
                f"{shape[1]}x{shape[0]}: it was changed. facesr-bench prepare --verify "
                f"{self._layout.root} finds all such files."
            )
        return image
