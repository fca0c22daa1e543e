"""An image of FFHQ to pixels: without the side notes, and of one size throughout."""

import io
import struct
from collections.abc import Iterable
from itertools import islice

from facesr_bench.errors import DataError
from facesr_bench.images import Size, UInt8Image, read_rgb
from facesr_bench.prepare.sources import Entry, image_of

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_TRIES = 20


def decode(content: bytes, side: int, where: str) -> UInt8Image:
    """Pixels as stored, RGB.

    Args:
        content: the file.
        side: in pixels; looked at before a pixel is unpacked.
        where: it lies, for messages.

    Raises:
        DataError: it is damaged, or of another size.
    """
    content = without_notes(content)
    height, width = _size(content, where)
    if (height, width) != (side, side):
        raise DataError(
            f"{where} is {width}x{height} pixels, not {side}x{side} as the others; it was changed, or "
            "belongs to another set."
        )
    try:
        return read_rgb(content, orientation="stored")
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def without_notes(content: bytes) -> bytes:
    """The chunks that make the pixels of a PNG; anything but a whole PNG is returned as it is.

    The owner's script sets Pillow's LOAD_TRUNCATED_IMAGES because of profiles and texts that unpack to
    more than Pillow allows. That switch holds for the whole process and lets images that are really
    cut short pass as well; leaving out chunks that no pixel depends on does neither.
    """
    if not content.startswith(_SIGNATURE):
        return content
    kept, at = [_SIGNATURE], len(_SIGNATURE)
    while at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if end > len(content):
            return content  # cut short: for the decoder to say
        if kind in _PIXELS:
            kept.append(content[at:end])
        at = end
        if kind == b"IEND":
            return b"".join(kept)
    return content


def square_side(entries: Iterable[Entry], original: int) -> tuple[int, list[str]]:
    """The side of a copy's images, from the header of the first one that has any.

    Args:
        entries: the images; all are held to this side when they are read.
        original: the owner's side.

    Returns:
        The side, and a note when it is not the owner's.

    Raises:
        DataError: none of the first twenty is an image, or they are no squares.
    """
    faults: list[str] = []
    for entry in islice(entries, _TRIES):
        try:
            height, width = _size(without_notes(image_of(entry)), entry.where)
        except DataError as error:  # one damaged file is for the harness to report or to skip
            faults.append(str(error))
            continue
        if height != width:
            raise DataError(
                f"{entry.where} is {width}x{height} pixels, but FFHQ's images are square."
            )
        if height == original:
            return height, []
        return height, [
            f"The images are {height}x{height}, not the owner's {original}x{original}: a resized copy. "
            "What resized it is not known, so numbers on it are not those of the original."
        ]
    raise DataError(f"The first {len(faults)} images cannot be read: {faults[0]}")


def _size(content: bytes, where: str) -> Size:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.height, image.width
    except UnidentifiedImageError:
        raise DataError(f"{where} is not an image (it starts with {content[:8]!r}).") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{where} cannot be opened ({error}).") from error
