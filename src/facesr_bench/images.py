"""The one shape images have at every border, and reading and writing them without surprises."""

import errno
import io
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import DataError, DiskFull, ImageError

if TYPE_CHECKING:
    from torch import Tensor

UInt8Image = NDArray[np.uint8]
"""One image at rest: uint8 (H, W, 3), RGB."""

Size = tuple[int, int]
"""Height, width in pixels."""

MOST_PIXELS = 1 << 26
"""Of an image that is decoded: 8192x8192. A few bytes of a file can claim far more and fill memory."""


def check_image(images: "Tensor", what: str, size: Size | None = None) -> "Tensor":
    """Guard the border of a method: float32 (B, 3, H, W), RGB, finite, in [0, 1].

    Args:
        images: the batch that crosses the border.
        what: who gives or takes it, for the message ("SCGAN.super_resolve's output").
        size: height and width it must have, when known.

    Returns:
        The same tensor.

    Raises:
        ImageError: naming ``what`` and the first rule it breaks.
    """
    import torch

    if images.ndim != 4 or images.shape[1] != 3:
        raise ImageError(f"{what} must be (B, 3, H, W), but has shape {tuple(images.shape)}.")
    if images.dtype != torch.float32:
        raise ImageError(
            f"{what} must be float32, but is {images.dtype}. Convert it with .float()."
        )
    if size is not None and tuple(images.shape[2:]) != tuple(size):
        got = f"{images.shape[2]}x{images.shape[3]}"
        raise ImageError(f"{what} must be {size[0]}x{size[1]} pixels, but is {got}.")
    low, high = (float(v) for v in torch.aminmax(images))
    if not (low >= 0.0 and high <= 1.0):  # also catches nan, which compares false
        raise ImageError(
            f"{what} must lie in [0, 1], but runs from {low:.4g} to {high:.4g}. Methods that think "
            "in [-1, 1] or 0..255 convert inside, and clamp before they return."
        )
    return images


def to_uint8(images: "Tensor") -> NDArray[np.uint8]:
    """Quantise (B, 3, H, W) in [0, 1] to uint8 (B, H, W, 3): clamp, times 255, round half to even."""
    import torch

    quantised = images.detach().clamp(0, 1).mul(255).round().to(torch.uint8)
    return np.ascontiguousarray(quantised.permute(0, 2, 3, 1).cpu().numpy())


def to_float(images: "Tensor") -> "Tensor":
    """uint8 (B, H, W, 3) at rest to float32 (B, 3, H, W) in [0, 1], on the tensor's own device."""
    return images.permute(0, 3, 1, 2).contiguous().float().div_(255)


def encode_png(image: UInt8Image, compress_level: int = 1) -> bytes:
    """Lossless 8-bit PNG of a uint8 (H, W, 3) array."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=compress_level)
    return buffer.getvalue()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that no reader ever sees half of it, whatever kills the writer.

    Raises:
        DiskFull: no space is left; the old file, if there is one, stays.
        OSError: anything else.
    """
    try:
        _write_atomically(path, content)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(
            f"No space left to write {path} ({len(content) / 1e6:.1f} MB). Nothing that was there is "
            "lost: make room, then start the same command again."
        ) from error


def _write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:80]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; what a run leaves is readable like any other file.
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


_TEMPORARY = re.compile(r"\.[^.].*\.[a-z0-9_]{8}")


def sweep_temporaries(folder: Path) -> None:
    """Delete what killed writers left half-done in a folder; nobody may be writing there."""
    for path in folder.glob(".*"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def refuse_torn_files() -> None:
    """Pillow's own default, set before every decoding: to import another package can change it.

    The switch is the whole process's, and pyiqa up to 0.1.15 turns it: truncated images then decode,
    with grey where their pixels are missing.
    """
    from PIL import ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = False


def read_rgb(source: Path | bytes, orientation: Literal["exif", "stored"] = "exif") -> UInt8Image:
    """Decode one image to uint8 (H, W, 3).

    Args:
        source: a file, or its bytes.
        orientation: "exif" honours the camera's rotation tag (a user's own photos), "stored" takes
            the pixels as they lie (owners' data sets, whose annotations refer to stored pixels).

    Raises:
        DataError: the file is missing, truncated, not an image, has more than 8 bits a channel, or
            more than :data:`MOST_PIXELS` pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    name = str(source) if isinstance(source, Path) else "image bytes"
    refuse_torn_files()
    try:
        content = source.read_bytes() if isinstance(source, Path) else source
        if content[:8] == b"\x89PNG\r\n\x1a\n" and content[24:25] > b"\x08":
            # Pillow calls 16-bit colour "RGB" and drops the low byte without a word.
            raise DataError(
                f"{name} has {content[24]} bits a channel; only 8-bit images can be read."
            )
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise DataError(
                    f"{name} is too large to be a face image: {image.width}x{image.height} pixels, "
                    f"where {MOST_PIXELS:,} are the most."
                )
            if image.mode not in {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"}:
                # Pillow would saturate 16-bit grey and float images without a word.
                raise DataError(f"{name} is of mode {image.mode}; only 8-bit images can be read.")
            image.load()
            upright = ImageOps.exif_transpose(image) if orientation == "exif" else image
            return np.array(upright.convert("RGB"), dtype=np.uint8)
    except FileNotFoundError:
        raise DataError(f"{name} does not exist.") from None
    except UnidentifiedImageError as error:  # its own words hold an address in memory
        raise DataError(f"{name} cannot be decoded (no kind of image is known like it).") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{name} cannot be decoded ({error}).") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name} is too large to be a face image ({error}).") from error


def hash_images(items: Iterable[tuple[str, UInt8Image]]) -> str:
    """sha256 over the images in key order: key, NUL, "HxWx3", NUL, RGB bytes.

    Raises:
        DataError: two images carry the same key, or the keys are not sorted.
    """
    import hashlib

    digest = hashlib.sha256()
    previous: str | None = None
    for key, image in items:
        if previous is not None and key <= previous:
            raise DataError(f"Keys must be unique and sorted, but {key!r} follows {previous!r}.")
        previous = key
        height, width, channels = image.shape
        digest.update(f"{key}\0{height}x{width}x{channels}\0".encode())
        digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()
