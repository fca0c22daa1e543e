"""Who the images show and where their faces are, from one CSV file of the user."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import DataError
from facesr_bench.evaluate.pairing import name_list, stem
from facesr_bench.facts import Facts, FactsTable, read_facts
from facesr_bench.images import Size

OPTION = "--landmarks"


@dataclass(frozen=True)
class Annotations:
    """What is known of some of the images.

    Attributes:
        facts: key to identity and landmarks; images that no row names are left out.
        sha256: of the file; empty without one.
    """

    facts: Mapping[str, Facts] = field(default_factory=dict)
    sha256: str = ""

    def of(self, key: str) -> Facts:
        """The facts of one image, empty where nothing is known."""
        return self.facts.get(key) or Facts()

    @property
    def landmarks(self) -> dict[str, NDArray[np.float32]]:
        """Those that are known."""
        found = {key: facts.landmarks for key, facts in self.facts.items()}
        return {key: points for key, points in found.items() if points is not None}

    def check(self, sizes: Mapping[str, Size]) -> None:
        """Refuse landmarks that cannot be pixels of images of these sizes.

        Raises:
            DataError: points more than a side outside of their image, or all within [0, 1].
        """
        outside = []
        for key, points in self.landmarks.items():
            sides = np.array(sizes[key][::-1])
            if np.any(points < -sides) or np.any(points > 2 * sides):
                outside.append(key)
        if outside:
            raise DataError(
                f"{OPTION}: the landmarks of {len(outside)} images lie far outside of them, but they "
                f"must be in pixels of the HR images as given here: {name_list(outside)}."
            )
        if self.landmarks and all(points.max() <= 1 for points in self.landmarks.values()):
            raise DataError(
                f"{OPTION}: all landmarks lie within [0, 1]; give them in HR pixels, not as a share "
                "of the side."
            )


def read_annotations(path: Path, keys: Sequence[str]) -> Annotations:
    """Read the rows of the images at hand; rows of other images are passed over.

    A row names an image by its key, with or without extension, or with that of another format.

    Raises:
        DataError: no such file or table, two rows for one image, or not one row for any of them.
    """
    table = read_facts(path, OPTION)
    rows = _rows_of_images(table, keys)
    twice = [f"{key} ({' and '.join(names)})" for key, names in rows.items() if len(names) > 1]
    if twice:
        raise DataError(
            f"{OPTION} {path} has several rows for {len(twice)} of the images: {name_list(twice)}."
        )
    if not rows:
        raise DataError(
            f"{OPTION} {path}: none of its {len(table)} rows names one of the {len(keys)} images. Its "
            f"keys look like {name_list(list(table.rows)[:2])}, those of the images like "
            f"{name_list(keys[:2])}."
        )
    facts = {key: table.rows[names[0]] for key, names in rows.items()}
    return Annotations(facts, sha256(path.read_bytes()).hexdigest())


def _rows_of_images(table: FactsTable, keys: Sequence[str]) -> dict[str, list[str]]:
    """Key of an image to the rows that name it: in full, else up to the extension."""
    by_stem: dict[str, list[str]] = defaultdict(list)
    for row in table.rows:
        by_stem[stem(row)].append(row)
    found = {key: [key] if key in table.rows else by_stem.get(stem(key), []) for key in keys}
    return {key: names for key, names in found.items() if names}
