"""The sub-folders train/, val/ and test/, in any case."""

import logging
from pathlib import Path

from facesr_bench.errors import DataError
from facesr_bench.listing import Listing

from .split_file import SPLITS

log = logging.getLogger(__name__)


def find_split_folders(folder: Path, option: str) -> dict[str, Path]:
    """Split to sub-folder, for those that exist; what lies beside them is named in a warning.

    Raises:
        DataError: the folder may not be read, or two sub-folders claim one split (Test and test).
    """
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        found: dict[str, Path] = {}
        for path in entries:
            split = path.name.lower()
            if split not in SPLITS or not path.is_dir():
                continue
            if split in found:
                raise DataError(
                    f"{option}={folder} has both {found[split].name}/ and {path.name}/; keep one."
                )
            found[split] = path
    except PermissionError:
        raise DataError(
            f"{option}={folder} may not be read by this user. Change its permissions (chmod -R "
            "u+rX) or copy the images to a folder of your own."
        ) from None
    beside = [path.name for path in entries if path not in found.values()]
    if found and beside:
        log.warning(
            "%s=%s has %s; what lies beside them is left out: %s%s.",
            option,
            folder,
            ", ".join(path.name + "/" for path in found.values()),
            ", ".join(beside[:5]),
            f" and {len(beside) - 5} more" if len(beside) > 5 else "",
        )
    return found


def warn_of_deeper_splits(listing: Listing) -> None:
    """Say when everything is test although there is a train/ further down (faces/celeba/train)."""
    above = {
        key[: key.index(part)].rstrip("/")
        for key in listing.files
        for part in key.split("/")[:-1]
        if part.lower() in {"train", "val"}
    }
    if above:
        log.warning(
            "Some images below %s=%s lie in folders named train or val, but further down, in %s: "
            "they count as test too. Give that folder instead, or a data.split_file.",
            listing.option,
            listing.folder,
            ", ".join(f"{folder}/" for folder in sorted(above)[:5]),
        )
