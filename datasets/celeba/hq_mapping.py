"""Which photo of CelebA each image of CelebA-HQ was made from.

A row of CelebA-HQ-to-CelebA-mapping.txt is 33 bytes, two fields of 11 and one of 10:
``1          99094      099095.jpg`` is image 1, made from the photo that is number 99,094 counted
from 0, which is the file 099095.jpg. The file has a header line; copies without it, and with CRLF, are
about. NVIDIA's image_list.txt has the same rows with two checksums more.
"""

import hashlib
import re

from facesr_bench.errors import DataError
from facesr_bench.prepare.sources import SourceSet

from .lists import TextList, find_list

IMAGES = 30_000
PUBLISHED_MD5 = "2958d77720cf580192ddbb0e71c1a74b"
"""Of all 30,000 rows in the owner's form, without the header: 990,000 bytes."""

_NAMES = ("CelebA-HQ-to-CelebA-mapping", "image_list")
_PHOTO = re.compile(r"(\d{6})\.jpg", re.IGNORECASE)


def find_mapping(sources: SourceSet) -> TextList:
    """The mapping file, or NVIDIA's list.

    Raises:
        DataError: neither is there.
    """
    for name in _NAMES:
        found = find_list(sources, name)
        if found is not None:
            return found
    looked = ", ".join(str(path) for path in sources.paths)
    raise DataError(
        f"There is no {_NAMES[0]}.txt in {looked}, where {len(sources):,} files were found; without it "
        "no image has a split. It lies in CelebAMask-HQ.zip; add the folder that holds it with --src."
    )


def read_mapping(source: TextList) -> dict[int, int]:
    """The number of CelebA's file (099095.jpg: 99,095) for each image.

    Raises:
        DataError: a row of another form, one that contradicts itself, or a number given twice.
    """
    photos: dict[int, int] = {}
    used: dict[int, int] = {}
    for line, words in source.rows():
        if not photos and words[:2] == ["idx", "orig_idx"]:
            continue
        match = _PHOTO.fullmatch(words[2]) if len(words) >= 3 else None
        if match is None or not (words[0].isdecimal() and words[1].isdecimal()):
            raise source.fault(
                line,
                f"expected 'index, original index, 099095.jpg', found {' '.join(words)!r}. Most often "
                "the file was cut short; get it again.",
            )
        image, photo = int(words[0]), int(match[1])
        if photo != int(words[1]) + 1:
            raise source.fault(
                line,
                f"the original index {words[1]} counts from 0, so its file would be "
                f"{int(words[1]) + 1:06d}.jpg, not {words[2]}. Get the file again.",
            )
        if image in photos or photo in used:
            twice = f"image {image}" if image in photos else f"{words[2]} (image {used[photo]})"
            raise source.fault(line, f"{twice} was already given.")
        photos[image], used[photo] = photo, image
    if not photos:
        raise DataError(f"{source.entry.where} names no image; get it again.")
    return photos


def compare_with_published(photos: dict[int, int]) -> str | None:
    """A note unless these are the owner's 30,000 rows."""
    if len(photos) != IMAGES:
        return f"The mapping has {len(photos):,} rows, not the published {IMAGES:,}."
    rows = "".join(canonical_row(image, photo) for image, photo in photos.items())
    found = hashlib.md5(rows.encode(), usedforsecurity=False).hexdigest()
    if found != PUBLISHED_MD5:
        return f"The mapping's rows have md5 {found}, not the published {PUBLISHED_MD5}."
    return None


def canonical_row(image: int, photo: int) -> str:
    """A row as the owner writes it, 33 bytes."""
    return f"{image:<11d}{photo - 1:<11d}{photo:06d}.jpg\n"
