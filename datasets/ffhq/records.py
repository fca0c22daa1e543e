"""The owner's JSON, a quarter of a gigabyte: split, five landmarks and checksums of each image."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from facesr_bench.errors import DataError
from facesr_bench.prepare.recipe import Landmarks, SplitName
from facesr_bench.prepare.sources import Entry, SourceSet, refuse_placeholder

FILE = "ffhq-dataset-v2.json"
BYTES, MD5 = 267_793_842, "425ae20f06a4da1d4dc0f46d40ba5fd6"

SPLITS: dict[str, SplitName] = {"training": "train", "validation": "val"}
TRAINING = 60_000
"""Images 0 to 59,999 are the owner's training set, also where there is no JSON to say so."""


@dataclass(frozen=True)
class Record:
    """What is known of one image.

    Attributes:
        split: the owner's category.
        points: eye, eye, nose tip, mouth corners (viewer's left first) in pixels of the 1024x1024.
        files: md5 of the owner's files, by folder name ("images1024x1024").
        pixels: md5 of the same images' pixels, height by width by 3 bytes.
    """

    split: SplitName
    points: Landmarks
    files: dict[str, str]
    pixels: dict[str, str]


def read_records(sources: SourceSet) -> tuple[dict[int, Record] | None, list[str]]:
    """The JSON's records by image number, None without it, and what there is to note.

    Raises:
        DataError: it is damaged, or there are several.
    """
    if not sources.find(FILE):
        return None, [
            f"There is no {FILE}: no landmarks are known, the split is by number (0 to 59,999: train)."
        ]
    entry = sources.one(FILE, "landmarks, split and checksums")
    content = entry.read()
    refuse_placeholder(content, entry.where)
    notes = _compare(content)
    try:
        # The hook turns each record into numbers as soon as it is parsed: the whole would not fit well.
        parsed = json.loads(content, object_hook=_Hook(entry))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{entry.where} is not whole JSON ({error}). It has {len(content):,} bytes, the owner's "
            f"{BYTES:,}; most often the download was cut short. Get it again."
        ) from None
    records = parsed.items() if isinstance(parsed, dict) else ()
    if not records or not all(k.isdecimal() and isinstance(v, Record) for k, v in records):
        raise DataError(f'{entry.where} has other records than "0" to "69999"; get it again.')
    return {int(number): record for number, record in records}, notes


def five_points(points: Any) -> Landmarks:
    """Five of the 68 points: eye centres (means of six), nose tip (30), mouth corners (48, 54).

    Points 36 to 41 are the eye on the viewer's left.

    Raises:
        ValueError: they are not 68 pairs of numbers.
    """
    all_points = np.array(points, dtype=np.float64)
    if all_points.shape != (68, 2) or not np.isfinite(all_points).all():
        raise ValueError(f"landmarks of shape {all_points.shape}, not 68 pairs of numbers")
    eyes = [all_points[36:42].mean(0), all_points[42:48].mean(0)]
    return np.stack([*eyes, *all_points[[30, 48, 54]]]).astype(np.float32)


class _Hook:
    """Called by the JSON parser with every finished object, the innermost first."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def __call__(self, value: dict[str, Any]) -> Any:
        try:
            if "file_md5" in value:
                kept = {"file": value["file_md5"], "pixels": value["pixel_md5"]}
                # The same key stands among in_the_wild, of another image: read where it is wanted.
                return kept | {"landmarks": value.get("face_landmarks")}
            if "category" in value:
                image, thumbnail = value["image"], value["thumbnail"]
                parts = {"images1024x1024": image, "thumbnails128x128": thumbnail}
                return Record(
                    SPLITS[value["category"]],
                    five_points(image["landmarks"]),
                    {name: str(part["file"]) for name, part in parts.items()},
                    {name: str(part["pixels"]) for name, part in parts.items()},
                )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{self._entry.where} has a record of another form ({error!r}): {str(value)[:120]} ... "
                "It is not the owner's file; get it again."
            ) from None
        return value


def _compare(content: bytes) -> list[str]:
    if len(content) != BYTES:
        return [f"{FILE} has {len(content):,} bytes, not the published {BYTES:,}."]
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return [] if found == MD5 else [f"{FILE} has md5 {found}, not the published {MD5}."]
