"""An owner's image to pixels: its size is looked at first, and a fault names the file."""

import io

from facesr_bench.errors import DataError
from facesr_bench.images import Size, UInt8Image, read_rgb
from facesr_bench.prepare.sources import Entry, image_of


def image_size(content: bytes) -> Size:
    """Height and width by the header alone.

    Raises:
        DataError: it is not an image, or one that unpacks to absurd sizes.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.height, image.width
    except UnidentifiedImageError:
        raise DataError(f"it is not an image (it starts with {content[:8]!r}).") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"it cannot be opened ({error}).") from error


def decode(content: bytes, size: Size) -> UInt8Image:
    """Pixels as stored, RGB.

    Args:
        content: the file.
        size: height and width it must have; looked at before a pixel is unpacked.

    Raises:
        DataError: it is damaged or of another size; a sentence about "it", to follow the file's name.
    """
    found = image_size(content)
    if found != size:
        raise DataError(
            f"it is {found[1]} pixels wide and {found[0]} high, not {size[1]} and {size[0]} as the "
            "others of its set; it was changed, or belongs to another set."
        )
    return read_rgb(content, orientation="stored")


def read_image(entry: Entry, size: Size | None = None) -> UInt8Image:
    """The pixels of an image file in the sources, as stored, RGB.

    Args:
        entry: the file.
        size: height and width it must have, where that is known.

    Raises:
        DataError: naming the file.
    """
    content = image_of(entry)
    try:
        if size is not None:
            return decode(content, size)
        return read_rgb(content, orientation="stored")
    except DataError as error:
        raise DataError(f"{entry.where}: {error}") from error
