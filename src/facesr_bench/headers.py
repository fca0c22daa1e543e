"""A quick look at every file before a run starts: is it an image, whole, 8-bit, and how large?

Pixels are not decoded here (PNG checksums are compared, by Pillow's ``verify``). A file that does
not end as its format should is decoded after all, since that is the cheapest sure answer.
"""

import errno
import os
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.errors import DataError
from facesr_bench.images import Size, read_rgb, refuse_torn_files

if TYPE_CHECKING:
    from PIL import Image

FORMATS = {"PNG", "JPEG", "MPO", "WEBP", "BMP", "DIB"}
_ORIENTATION = 0x0112  # EXIF tag; 5..8 swap the sides
_TAIL = 4096  # phones and editors append a little after a JPEG's end marker


@dataclass(frozen=True)
class Header:
    """What is known of a file without its pixels.

    Attributes:
        size: height, width once the camera's rotation is honoured.
        alpha: whether it has transparency, which is dropped when read.
    """

    size: Size
    alpha: bool


def read_header(path: Path) -> Header:
    """Look at one file.

    Raises:
        DataError: the reason it cannot be used, as the rest of a sentence ("is empty").
    """
    from PIL import Image, UnidentifiedImageError

    refuse_torn_files()
    try:
        with path.open("rb") as file:
            head = file.read(512)
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            tail = file.read()
            length = file.tell()
            _check_start(head)
            file.seek(0)
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = Image.open(file)
            if image.format not in FORMATS:
                raise DataError(f"is a {image.format} file; convert it to PNG")
            bits = head[24] if image.format == "PNG" else 8
            if bits > 8 or image.mode in {"F", "I"} or image.mode.startswith("I;"):
                raise DataError("has more than 8 bits a channel; convert it to 8 bits first")
            width, height = image.size
            if width != height and _is_rotated(image, path):
                width, height = height, width
            alpha = image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info
            whole = _is_whole(image.format, head, tail, length)
            image.verify()
        if not whole:
            read_rgb(path)
        return Header((height, width), alpha)
    except FileNotFoundError:
        raise DataError("is a link to a file that is not there") from None
    except PermissionError:
        raise DataError("may not be read by this user; change its permissions") from None
    except UnidentifiedImageError:
        raise DataError("is not an image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError("is far too large to be a face image") from None
    except DataError as error:
        damaged = str(error).startswith(str(path))  # from read_rgb, which names the file itself
        raise DataError("is cut short or damaged") if damaged else error from None
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            raise DataError("is a link that leads back to itself") from None
        raise DataError(f"is cut short or damaged ({error})") from None


def read_headers(paths: Iterable[Path]) -> tuple[dict[Path, Header], dict[Path, str]]:
    """Look at many files at once.

    Returns:
        The headers of the files that can be used, and the reasons of those that cannot.
    """
    ordered = list(paths)
    headers: dict[Path, Header] = {}
    reasons: dict[Path, str] = {}

    def look(path: Path) -> Header | str:
        try:
            return read_header(path)
        except DataError as error:
            return str(error)

    # Threads: on network disks the time goes into waiting for the file.
    with ThreadPoolExecutor(max_workers=min(8, 2 * (os.cpu_count() or 1))) as pool:
        for path, found in zip(ordered, pool.map(look, ordered), strict=True):
            if isinstance(found, str):
                reasons[path] = found
            else:
                headers[path] = found
    return headers, reasons


def _check_start(head: bytes) -> None:
    if not head:
        raise DataError("is empty")
    if head.startswith(b"version https://git-lfs"):
        raise DataError("is a git-LFS pointer, not the image; run 'git lfs pull'")
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise DataError(
            "is a web page saved under an image's name (often a quota or log-in page); "
            "download it again"
        )


def _is_rotated(image: "Image.Image", path: Path) -> bool:
    from PIL import Image

    if image.format == "PNG":
        # Pillow decodes a whole PNG to find its EXIF; look whether there can be any first.
        marks = (b"eXIf", b"tiff:Orientation", b"Raw profile type")
        content = path.read_bytes()
        if not any(mark in content for mark in marks):
            return False
        with Image.open(path) as copy:
            return copy.getexif().get(_ORIENTATION) in {5, 6, 7, 8}
    return image.getexif().get(_ORIENTATION) in {5, 6, 7, 8}


def _is_whole(kind: str | None, head: bytes, tail: bytes, length: int) -> bool:
    if kind in {"JPEG", "MPO"}:
        return b"\xff\xd9" in tail
    if kind == "PNG":
        return b"IEND" in tail
    if kind == "BMP":
        return int.from_bytes(head[2:6], "little") <= length
    return True  # WebP: Pillow reads the whole file when it opens it
