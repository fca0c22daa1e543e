"""Whether a prepared folder is still what was prepared: at a glance, or to the last pixel."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image
from facesr_bench.prepare.layout import Layout, read_checked
from facesr_bench.prepare.manifest import read_manifest
from facesr_bench.prepare.opening import read_facts
from facesr_bench.prepare.packing import Pack, open_pack, packs_of
from facesr_bench.prepare.working import SHOWN, cores, progress

_COLUMNS = ("key", "height", "width", "border", "border_shape", "bytes", "sha256", "border_sha256")


def glance(layout: Layout) -> int:
    """Check that the tables agree and that every file is there with its size; opens no image.

    Returns:
        How many images there are.

    Raises:
        DataError: naming up to twenty files that are missing or changed.
    """
    rows = _rows(layout)
    facts = read_facts(layout)
    if facts["counts"]["images"] != len(rows):
        raise DataError(
            f"{layout.manifest} lists {len(rows):,} images, but {layout.facts.name} counts "
            f"{facts['counts']['images']:,}: one of the two was changed. Delete the folder and prepare "
            "the data again."
        )
    wrong = []
    for row in rows:
        path = layout.image(row["key"])
        try:
            if path.stat().st_size != row["bytes"]:
                wrong.append(f"{path} has {path.stat().st_size:,} bytes, not {row['bytes']:,}")
        except OSError:
            wrong.append(f"{path} is missing")
        if row["border"] is not None and not layout.border(row["key"]).is_file():
            wrong.append(f"{layout.border(row['key'])} is missing")
    _refuse(layout, wrong)
    for pack in stored_packs(rows, facts):
        open_pack(layout.root / pack.file, pack)
    return len(rows)


def verify(layout: Layout, workers: int | None = None) -> int:
    """Read every image, border and pack and compare the hashes of their pixels.

    Returns:
        How many images there are.

    Raises:
        DataError: naming up to twenty files that are missing, damaged or changed.
    """
    glance(layout)
    rows = _rows(layout)
    packs = stored_packs(rows, read_facts(layout))
    maps = [(pack, open_pack(layout.root / pack.file, pack)) for pack in packs]
    places = {
        (pack.bordered, row): (pack, array, at)
        for pack, array in maps
        for at, row in enumerate(pack.rows)
    }
    wrong: list[str] = []

    def look(number: int) -> list[str]:
        row, found = rows[number], []
        for bordered in (False, True) if row["border"] is not None else (False,):
            try:
                image = read_checked(layout, row["key"], row, bordered)
            except DataError as error:
                found.append(str(error))
                continue
            place = places.get((bordered, number))
            if place is not None and not _equal(place[1][place[2]], image):
                found.append(f"{layout.root / place[0].file} differs from {row['key']}")
        return found

    with ThreadPoolExecutor(workers or cores()) as pool, progress("verify", len(rows)) as bar:
        for first in range(0, len(rows), 256):
            for found in pool.map(look, range(first, min(first + 256, len(rows)))):
                wrong += found
                bar.update()
    stray = _stray(layout, {row["key"] for row in rows})
    wrong += [f"{path} is in no row of the manifest" for path in stray]
    _refuse(layout, wrong)
    return len(rows)


def stored_packs(rows: list[dict[str, Any]], facts: dict[str, Any]) -> list[Pack]:
    """The packs of a folder that were written."""
    written = {pack["file"] for pack in facts["packs"]}
    found = packs_of((row["height"], row["width"], row["border_shape"]) for row in rows)
    return [pack for pack in found if pack.file in written]


def _rows(layout: Layout) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_manifest(layout.manifest, _COLUMNS).to_pylist()
    return rows


def _equal(packed: UInt8Image, image: UInt8Image) -> bool:
    return bool(np.array_equal(packed, image))


def _stray(layout: Layout, keys: set[str]) -> list[str]:
    found = []
    for path in layout.images.rglob("*"):
        if path.is_file() and path.relative_to(layout.images).as_posix() not in keys:
            found.append(str(path))
    return sorted(found)


def _refuse(layout: Layout, wrong: list[str]) -> None:
    if wrong:
        more = f"\n  and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
        raise DataError(
            f"{layout.root} is not what was prepared:\n  " + "\n  ".join(wrong[:SHOWN]) + more
            + "\nDelete the folder and prepare the data again."
        )  # fmt: skip
