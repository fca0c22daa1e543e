"""Splits of the embedded data set: who is in which, rendered once and kept in the cache folder."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import sys
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from facesr_bench.cache import cache_dir
from facesr_bench.data import FaceData, FaceDataset, Role
from facesr_bench.errors import ConfigError
from facesr_bench.images import write_atomically

from .face import Face
from .render import DOMAINS, SIZES, render_face
from .split import Faces, read_archive, sides_in

log = logging.getLogger(__name__)

FIRST_IDENTITY: dict[Role, int] = {
    "train": 0,
    "train_lr": 1_000_000,
    "val": 2_000_000,
    "test": 3_000_000,
}
"""Each split draws its people from a range of its own, so a split can grow and stay disjoint."""


_NOT_RENDERING = {"population.py", "split.py", "ship.py"}


@dataclass(frozen=True)
class People:
    """Who is in a split: identities ``first`` to ``first + identities - 1``, some photos each."""

    seed: int
    first: int
    identities: int
    photos: int
    size: int
    domain: str

    def key(self, index: int) -> str:
        """``0003000012/01.png``: identity, photo."""
        person, photo = divmod(index, self.photos)
        return f"{self.first + person:010d}/{photo:02d}.png"

    def render(self, index: int) -> Face:
        """Draw one image."""
        person, photo = divmod(index, self.photos)
        return render_face(self.seed, self.first + person, photo, self.size, self.domain)

    def __len__(self) -> int:
        return self.identities * self.photos


def renderer_fingerprint() -> str:
    """sha256 over the renderer's sources: a changed renderer never meets an old cache."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name not in _NOT_RENDERING:
            digest.update(path.read_bytes())
    return digest.hexdigest()


class SynthFace(FaceData):
    """Procedural faces by split.

    Args:
        size: side of the HR images, a power of two from 16 to 1024.
        identities: people in each split, by role; a role that is absent or 0 has no split.
        photos: photos of each person, by role.
        seed: seed of the population.
        domain: "studio", or "side_light" for the second domain.
        shipped_test: name of an archive in this folder that holds the test split as PNG files, HR
            and LR, so that its pixels are the same on every machine; None renders it.

    Raises:
        ConfigError: a size or domain that cannot be rendered, or counts that make no sense.
    """

    name = "synthface"

    def __init__(
        self,
        size: int,
        identities: dict[Role, int],
        photos: dict[Role, int],
        seed: int = 2020,
        domain: str = "studio",
        shipped_test: str | None = None,
    ) -> None:
        if size not in SIZES:
            raise ConfigError(
                f"synthface renders sides of {', '.join(map(str, SIZES))}, not {size}."
            )
        if domain not in DOMAINS:
            raise ConfigError(f"synthface has the domains {', '.join(DOMAINS)}, not {domain!r}.")
        unknown = (set(identities) | set(photos)) - set(FIRST_IDENTITY)
        if unknown or set(identities) - set(photos):
            raise ConfigError(
                "synthface takes identities and photos for the same roles "
                f"({', '.join(FIRST_IDENTITY)}), but was given {sorted(identities)} and "
                f"{sorted(photos)}."
            )
        if any(n < 0 or n >= 1_000_000 for n in identities.values()) or min(photos.values()) < 1:
            raise ConfigError("synthface takes 0 to 999,999 identities and at least 1 photo each.")
        self._size, self._seed, self._domain = size, seed, domain
        self._identities, self._photos, self._shipped_test = identities, photos, shipped_test

    def check_test(self, hr_size: int, lr_size: int) -> None:
        """Shipped test faces have the sides they were rendered at, whatever is trained on."""
        if self._shipped_test is None:
            return
        hr, lr = sides_in(Path(__file__).parent / self._shipped_test)
        if (hr, lr) != (hr_size, lr_size):
            raise ConfigError(
                f"The test faces that come with the package have {hr} and {lr} pixels (HR and LR), not "
                f"{hr_size} and {lr_size}; render others with data.source.shipped_test=null (another "
                "protocol than the shipped one), or train only, with stage=fit."
            )

    def split(self, role: Role) -> FaceDataset | None:
        """Read the split from the archive or the cache, or render it (with a progress bar)."""
        if role == "test" and self._shipped_test is not None:
            return read_archive(Path(__file__).parent / self._shipped_test, self._domain)
        if role not in FIRST_IDENTITY:
            return None
        people = self.people(role)
        return rendered(people, f"synthface {role}") if len(people) else None

    def provenance(self) -> list[dict[str, Any]]:
        """Who was rendered: a run may draw more people than its protocol's YAML says."""
        return [
            {
                "name": self.name,
                "domain": self._domain,
                "seed": self._seed,
                "identities": dict(self._identities),
                "photos": dict(self._photos),
            }
        ]

    def people(self, role: Role) -> People:
        """Who is in a split."""
        return People(
            self._seed,
            FIRST_IDENTITY[role],
            self._identities.get(role, 0),
            self._photos.get(role, 1),
            self._size,
            self._domain,
        )


def rendered(people: People, what: str) -> Faces:
    """The split from the cache folder, or rendered now and cached (a damaged file is replaced)."""
    words = f"{people}|{renderer_fingerprint()}".encode()
    path = cache_dir() / "synthface" / f"{hashlib.sha256(words).hexdigest()[:32]}.npz"
    keys = [people.key(i) for i in range(len(people))]
    try:
        with np.load(path, allow_pickle=False) as file:
            names = [str(name) for name in file["names"]]
            values, hr, landmarks = file["values"], file["hr"], file["landmarks"]
        if len(hr) == len(keys):
            return _faces(keys, hr, landmarks, names, values, people.domain)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
        log.warning("The cached faces %s are damaged; they are rendered again.", path)
    faces = _render_all(people, what)
    names = sorted(faces[0].attributes)
    hr = np.stack([face.image for face in faces])
    landmarks = np.stack([face.landmarks for face in faces])
    values = np.array([[face.attributes[n] for n in names] for face in faces])
    buffer = io.BytesIO()
    np.savez(buffer, hr=hr, landmarks=landmarks, values=values, names=np.array(names))
    try:
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        log.warning(
            "Rendered faces cannot be kept in %s (%s); set FACESR_CACHE.", path.parent, error
        )
    return _faces(keys, hr, landmarks, names, values, people.domain)


def _faces(
    keys: list[str],
    hr: np.ndarray,
    landmarks: np.ndarray,
    names: list[str],
    values: np.ndarray,
    domain: str,
) -> Faces:
    attributes = [dict(zip(names, map(float, row), strict=True)) for row in values]
    return Faces(keys, list(hr), landmarks, attributes, domain)


def _render_all(people: People, what: str) -> list[Face]:
    bar = {"total": len(people), "unit": "face", "desc": what, "file": sys.stderr}
    bar |= {"mininterval": 0.5 if sys.stderr.isatty() else 20.0, "delay": 1}
    cores = os.cpu_count() or 1
    if len(people) * people.size**2 < 2000 * 64**2 or cores == 1:
        return [people.render(i) for i in tqdm(range(len(people)), **bar)]
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        return list(tqdm(pool.map(people.render, range(len(people)), chunksize=32), **bar))
