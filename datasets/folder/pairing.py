"""Which HR file belongs to which LR file."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from facesr_bench.errors import DataError
from facesr_bench.listing import Listing, stem


@dataclass(frozen=True)
class Item:
    """One sample's files; ``key`` is the HR's where there is one."""

    key: str
    hr: Path | None
    lr: Path | None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are there."""
        return tuple(path for path in (self.hr, self.lr) if path is not None)


def pair(hr: Listing | None, lr: Listing | None) -> tuple[list[Item], dict[Path, str]]:
    """Match by relative path without extension ("a/b.png" with "a/b.jpg").

    Returns:
        The items in key order, and the files that cannot be matched with the reason why.

    Raises:
        DataError: both sides have images but not a single pair: the folders do not belong together.
    """
    if hr is None or lr is None:
        listing = hr or lr
        files = listing.files if listing is not None else {}
        return [
            Item(key, path if hr is not None else None, path if lr is not None else None)
            for key, path in files.items()
        ], {}
    hr_keys, lr_keys = _by_stem(hr), _by_stem(lr)
    if not hr_keys.keys() & lr_keys.keys():
        raise DataError(
            f"No image below {hr.option}={hr.folder} has a partner below {lr.option}={lr.folder}. "
            "Partners have the same relative path, up to the extension, but the first files are "
            f"{next(iter(hr.files))!r} and {next(iter(lr.files))!r}."
        )
    items: list[Item] = []
    problems: dict[Path, str] = {}
    for name in sorted(hr_keys.keys() | lr_keys.keys()):
        ours, theirs = hr_keys.get(name, []), lr_keys.get(name, [])
        if len(ours) == len(theirs) == 1:
            items.append(Item(ours[0], hr.files[ours[0]], lr.files[theirs[0]]))
            continue
        for side, other, keys, partners in ((hr, lr, ours, theirs), (lr, hr, theirs, ours)):
            if len(keys) > 1:
                reason = f"cannot be paired: {', '.join(keys)} differ only in extension"
            elif not partners:
                reason = f"has no partner {name}.* below {other.option}={other.folder}"
            else:
                continue  # a single file whose partners are reported as ambiguous
            problems.update({side.files[key]: reason for key in keys})
    return sorted(items, key=lambda item: item.key), problems


def _by_stem(listing: Listing) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = defaultdict(list)
    for key in listing.files:
        keys[stem(key)].append(key)
    return dict(keys)
