"""Labeled Faces in the Wild as its archive unpacks: ``lfw/NAME/NAME_0001.jpg``, 250x250."""

import re
from dataclasses import dataclass
from pathlib import Path

from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image, read_rgb

SIDE = 250
CROP = (50, 50, 200, 200)
"""The middle of a photo, where its face lies; ours, the paper names no crop."""

_PHOTO = re.compile(r"(?P<person>.+)_(?P<number>\d{4})\.jpg")


@dataclass(frozen=True)
class Photo:
    """One photo of one person."""

    person: str
    path: Path


def people_of(root: Path, people: int, photos: int) -> list[Photo]:
    """The people with most photos, by count and then by name, and the first photos of each.

    Args:
        root: holds one folder a person.
        people: how many.
        photos: at most so many of each.

    Raises:
        DataError: no such layout, or fewer people.
    """
    if not root.is_dir():
        raise DataError(f"There is no folder {root}. Give the one that lfw.tgz unpacks to.")
    found: dict[str, list[Photo]] = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        named = [(path, _PHOTO.fullmatch(path.name)) for path in sorted(folder.iterdir())]
        own = [path for path, match in named if match and match["person"] == folder.name]
        if own:
            found[folder.name] = [Photo(folder.name, path) for path in own]
    if len(found) < people:
        raise DataError(
            f"{root} holds photos of {len(found)} people as LFW lays them out "
            f"(NAME/NAME_0001.jpg), but {people} were asked for."
        )
    most = sorted(found, key=lambda person: (-len(found[person]), person))[:people]
    return [photo for person in most for photo in found[person][:photos]]


def face_of(photo: Photo, side: int) -> UInt8Image:
    """The middle of a photo, ``side`` x ``side``, by box averaging.

    Raises:
        DataError: it is not 250x250.
    """
    import numpy as np
    from PIL import Image

    image = read_rgb(photo.path)
    if image.shape != (SIDE, SIDE, 3):
        raise DataError(f"{photo.path} is not {SIDE}x{SIDE}, so it is no photo of LFW's archive.")
    small = Image.fromarray(image).resize((side, side), Image.Resampling.BOX, box=CROP)
    return np.asarray(small)
