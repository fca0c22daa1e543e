"""Which image files lie below a folder, and under which keys."""

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from facesr_bench.errors import DataError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
"""What counts as an image, in any case."""


@dataclass
class Listing:
    """The images below one folder.

    Attributes:
        folder: where they lie.
        option: the argument that named the folder, for messages ("data.root").
        files: key (relative POSIX path with extension, NFC) to path; sorted by key.
        others: how many files of which other extension were passed over.
    """

    folder: Path
    option: str
    files: dict[str, Path] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)

    def only(self, keys: set[str]) -> "Listing":
        """The same listing reduced to some keys."""
        kept = {key: path for key, path in self.files.items() if key in keys}
        return Listing(self.folder, self.option, kept, self.others)


def stem(key: str) -> str:
    """The key without its extension: what pairs HR with LR."""
    return str(PurePosixPath(key).with_suffix(""))


def check_folder(folder: Path, option: str) -> Path:
    """Refuse a folder that is not there, before anything else is done.

    Raises:
        DataError: saying what was looked for, and what to do.
    """
    try:
        folder.stat()
        if folder.is_dir():
            return folder
        raise DataError(
            f"{option}={folder} is a file, not a folder of images. Unpack it and give the folder."
        )
    except FileNotFoundError:
        raise DataError(
            f"The folder {option}={folder} does not exist (from {Path.cwd()}). Give the folder "
            f"that holds the images ({', '.join(EXTENSIONS)}) or train/, val/, test/ with them."
        ) from None
    except OSError as error:
        raise _unreadable(folder, option, error) from error


def list_images(folder: Path, option: str, recursive: bool = True) -> Listing:
    """Walk a folder; links to folders are followed, hidden and half-written files passed over.

    Args:
        folder: an existing folder.
        option: the argument that named it, for messages.
        recursive: whether to enter sub-folders.

    Raises:
        DataError: no image below it, a folder that may not be read, a link that leads in a circle,
            two names that are the same text.
    """
    listing = Listing(folder, option)
    _walk(folder, PurePosixPath(), frozenset(), listing, recursive)
    if not listing.files:
        seen = ", ".join(f"{count} {kind}" for kind, count in listing.others.most_common(5))
        deeper = "" if recursive else " Sub-folders were not searched (recursive=false)."
        raise DataError(
            f"No images below {option}={folder}: looked for {', '.join(EXTENSIONS)} in any case, "
            f"found {seen or 'no files'}.{deeper} Give the folder that holds the images."
        )
    listing.files = dict(sorted(listing.files.items()))
    return listing


def _walk(
    folder: Path,
    relative: PurePosixPath,
    ancestors: frozenset[tuple[int, int]],
    listing: Listing,
    recursive: bool,
) -> None:
    try:
        status = folder.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in ancestors:
            raise DataError(
                f"{folder} is a link back to a folder above it, so {listing.option} has no end. "
                "Remove the link."
            )
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
        for entry in entries:
            if _passed_over(entry.name):
                continue
            # Names are normalised: macOS may store "e" and its accent apart, and keys are hashed.
            below = relative / unicodedata.normalize("NFC", entry.name)
            if _is_folder(entry):
                if recursive:
                    _walk(Path(entry.path), below, ancestors | {identity}, listing, recursive)
            elif entry.is_symlink() or entry.is_file():  # no pipes, no devices
                _take(Path(entry.path), str(below), listing)
    except OSError as error:
        raise _unreadable(folder, listing.option, error) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _passed_over(name: str) -> bool:
    hidden = name.startswith(".")  # also ._name (macOS), .DS_Store
    return hidden or name == "__MACOSX" or fnmatch(name, "*.tmp.*") or name.endswith(".tmp")


def _take(path: Path, key: str, listing: Listing) -> None:
    extension = path.suffix.lower()
    if extension not in EXTENSIONS:
        listing.others[extension or "without extension"] += 1
        return
    try:
        key.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"The name {path.name!r} in {path.parent} is not valid UTF-8, so it cannot be a key. "
            "Rename the file."
        ) from None
    if key in listing.files:
        raise DataError(
            f"{listing.files[key]} and {path} have the same name once Unicode is normalised (NFC). "
            "Rename one of them."
        )
    listing.files[key] = path


def _unreadable(folder: Path, option: str, error: OSError) -> DataError:
    if isinstance(error, PermissionError):
        return DataError(
            f"{error.filename or folder} (below {option}) may not be read by this user. Change its "
            "permissions (chmod -R u+rX) or copy the images to a folder of your own."
        )
    return DataError(f"{folder} (below {option}) cannot be read: {error.strerror or error}.")
