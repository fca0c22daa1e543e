"""Where the photos lie, and how large they are."""

from pathlib import PurePosixPath

from facesr_bench.errors import DataError
from facesr_bench.images import Size
from facesr_bench.prepare.sources import Entry, SourceSet, as_stream, image_of


def find_photos(sources: SourceSet, part: str) -> dict[str, Entry]:
    """``WIDER_train/images/EVENT/PHOTO.jpg`` by "EVENT/PHOTO.jpg".

    Args:
        sources: what was given; a folder called WIDER_train may itself be one of them.
        part: "train" or "val".

    Raises:
        DataError: a photo was found twice.
    """
    found: dict[str, Entry] = {}
    for entry in sources.find("images/*/*.jpg"):
        path = PurePosixPath(entry.container.path.resolve().name, entry.name)
        if len(path.parts) < 4 or path.parts[-4].lower() != f"wider_{part}":
            continue
        photo = "/".join(path.parts[-2:])
        if photo in found:
            raise DataError(
                f"The photo {photo!r} was found twice: {found[photo].where} and {entry.where}. Give "
                "only one of the two with --src."
            )
        found[photo] = entry
    return found


def header_size(entry: Entry) -> Size | DataError:
    """Height and width of a photo, from its first bytes; errors are handed back to be counted."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(as_stream(image_of(entry))) as image:
            return image.height, image.width
    except DataError as error:
        return error
    except UnidentifiedImageError:
        return DataError(f"{entry.where} is not an image.")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return DataError(f"{entry.where} cannot be read as an image ({error}).")
