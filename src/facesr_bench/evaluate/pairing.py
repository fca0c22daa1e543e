"""Which image belongs to which, by name alone.

Partners have the same relative path up to the extension. An SR image may also be named by the rule
of our own store, the key percent-encoded plus ".png" (:mod:`facesr_bench.store`), so that a run's
``sr/`` pairs with the HR images it was made for, whatever their format.
"""

import urllib.parse
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from facesr_bench.errors import DataError

Files = Mapping[str, Path]
"""Relative POSIX path with extension to file."""

_EXTENSIONS = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
_SHOWN = 10


@dataclass(frozen=True)
class Pair:
    """The files of one image; ``key`` names it in every table."""

    key: str
    sr: Path
    hr: Path | None = None
    lr: Path | None = None


@dataclass(frozen=True)
class Folder:
    """The images of one folder.

    Attributes:
        what: "SR", "HR" or "LR".
        path: where they lie, as the user wrote it.
        files: the images.
    """

    what: str
    path: Path
    files: Files


@dataclass(frozen=True)
class Matched:
    """Images of one folder and the keys they belong to.

    Attributes:
        files: key to image; with ``unclear`` ones, one of several.
        lonely: keys without an image.
        strangers: images without a key.
        unclear: names that could belong to several keys, and keys that several images could be of.
    """

    files: dict[str, Path]
    lonely: list[str]
    strangers: list[str]
    unclear: list[str]


def pair_folders(sr: Folder, hr: Folder | None, lr: Folder | None) -> list[Pair]:
    """Match the folders one to one.

    Keys are the HR's relative paths; without HR the LR's; without both the SR's without extension.

    Returns:
        The pairs in key order.

    Raises:
        DataError: images without a partner or with several, counted and named.
    """
    keyed = hr or lr
    if keyed is None:
        return _alone(sr)
    problems: list[str] = []
    partners = {
        folder.what: _match(folder, keyed, problems)
        for folder in (sr, hr, lr)
        if folder is not None and folder is not keyed
    }
    if problems:
        raise DataError(
            f"{' '.join(problems)} Nothing was scored. Partners have the same relative path up to "
            'the extension, or an SR image is named as in sr/ of a run (0001.jpg.png for "0001.jpg").'
        )
    found = partners | {keyed.what: keyed.files}
    return [
        Pair(
            key,
            found["SR"][key],
            found["HR"][key] if hr is not None else None,
            found["LR"][key] if lr is not None else None,
        )
        for key in sorted(keyed.files)
    ]


def name_list(names: Sequence[str]) -> str:
    """Up to ten names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def stem(name: str) -> str:
    """A relative path without its extension."""
    return str(PurePosixPath(name).with_suffix(""))


def stored_key(name: str) -> str | None:
    """The key our store would have written to this file, or None where it cannot have."""
    if not name.endswith(".png"):
        return None
    key = urllib.parse.unquote(name.removesuffix(".png"))
    return key if PurePosixPath(key).suffix.lower() in _EXTENSIONS else None


def _alone(sr: Folder) -> list[Pair]:
    names: dict[str, list[str]] = defaultdict(list)
    for name in sr.files:
        names[stem(stored_key(name) or name)].append(name)
    twice = [name for _, group in sorted(names.items()) if len(group) > 1 for name in group]
    if twice:
        raise DataError(
            f"{len(twice)} of the {len(sr.files)} images in {sr.path} differ from another one only "
            f"in extension, so they would share a row: {name_list(twice)}. Nothing was scored."
        )
    return [Pair(key, sr.files[group[0]]) for key, group in sorted(names.items())]


def _match(folder: Folder, keyed: Folder, problems: list[str]) -> dict[str, Path]:
    """Key to file of ``folder``; what does not fit is added to ``problems`` as a sentence."""
    found = match_names(folder.files, keyed.files)
    faults = [
        f"{len(names)} {text}: {name_list(names)}"
        for names, text in (
            (found.lonely, f"{keyed.what} without {folder.what}"),
            (found.strangers, f"{folder.what} without {keyed.what}"),
            (found.unclear, "that could pair with several"),
        )
        if names
    ]
    if faults:
        problems.append(
            f"The {len(folder.files)} {folder.what} images in {folder.path} and the "
            f"{len(keyed.files)} {keyed.what} images in {keyed.path} do not pair one to one: "
            f"{'; '.join(faults)}."
        )
    return found.files


def match_names(files: Files, keys: Collection[str]) -> Matched:
    """Which image belongs to which key, by name alone; nothing is opened or refused."""
    stems: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        stems[stem(key)].append(key)
    claims: dict[str, list[str]] = defaultdict(list)
    strangers: list[str] = []
    unclear: list[str] = []
    for name in sorted(files):
        candidates = _candidates(name, keys, stems)
        if not candidates:
            strangers.append(name)
        for key in candidates:
            claims[key].append(name)
        if len(candidates) > 1:
            unclear.append(f"{name} ({' or '.join(candidates)})")
    unclear += [
        f"{key} ({' or '.join(names)})" for key, names in sorted(claims.items()) if len(names) > 1
    ]
    lonely = [key for key in sorted(keys) if key not in claims]
    return Matched(
        {key: files[names[0]] for key, names in claims.items()}, lonely, strangers, unclear
    )


def _candidates(name: str, keys: Collection[str], stems: Mapping[str, list[str]]) -> list[str]:
    """Keys an image can belong to: those named in full, else those that differ in extension."""
    key = stored_key(name)
    exact = {full for full in (name, key) if full is not None and full in keys}
    if exact:
        return sorted(exact)
    names = {stem(full) for full in (name, key) if full is not None}
    return sorted(candidate for short in names for candidate in stems.get(short, []))
