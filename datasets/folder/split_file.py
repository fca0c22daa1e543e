"""Reading the file that says which image belongs to which split.

Three forms, told apart by the extension, all UTF-8 (a byte-order mark is skipped):

* ``.csv``: columns ``key`` and ``split``, named in the first line, in any order, others ignored;
* ``.txt``: one ``key split`` per line, parted by blanks or tabs, ``#`` starts a comment line;
* ``.json``: ``{"train": [keys], "test": [keys]}`` or ``{key: split}``.

A key is the path relative to the data's root, with or without its extension. Splits are train, val
and test.
"""

import csv
import io
import json
import unicodedata
from collections import defaultdict
from pathlib import Path

from facesr_bench.errors import DataError
from facesr_bench.listing import Listing, stem

SPLITS = ("train", "val", "test")
_SHOWN = 20


def read_split_file(path: Path) -> dict[str, str]:
    """Key to split, as written.

    Raises:
        DataError: the file is missing or of another form, names another split, or a key twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            text = file.read()
    except FileNotFoundError:
        raise DataError(f"data.split_file={path} does not exist (from {Path.cwd()}).") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"data.split_file={path} cannot be read as UTF-8 text ({error}).") from None
    readers = {".csv": _rows_of_csv, ".txt": _rows_of_txt, ".json": _rows_of_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"data.split_file={path} must end in .csv, .txt or .json.")
    splits: dict[str, str] = {}
    for where, written, split in reader(path, text):
        if split not in SPLITS:
            raise DataError(
                f"{path}, {where}: {split!r} is not a split; use one of {', '.join(SPLITS)}."
            )
        key = unicodedata.normalize("NFC", written)
        if key in splits:
            raise DataError(f"{path}, {where}: the key {key!r} was already given a split.")
        splits[key] = split
    if not splits:
        raise DataError(f"data.split_file={path} names no images.")
    return splits


def assign(splits: dict[str, str], listing: Listing, path: Path) -> dict[str, set[str]]:
    """Split to the keys of ``listing`` in it.

    Raises:
        DataError: keys that name no image (all listed in one message), or more than one.
    """
    by_stem: dict[str, list[str]] = defaultdict(list)
    for key in listing.files:
        by_stem[stem(key)].append(key)
    found: dict[str, str] = {}
    unknown: list[str] = []
    for written, split in splits.items():
        matches = [written] if written in listing.files else by_stem.get(written, [])
        if len(matches) > 1:
            raise DataError(
                f"The key {written!r} in {path} could be any of {', '.join(matches)}; "
                "write it with its extension."
            )
        if not matches:
            unknown.append(written)
        elif found.setdefault(matches[0], split) != split:
            both = f"{found[matches[0]]} and {split}"
            raise DataError(f"{path} gives {matches[0]!r} two splits, {both}.")
    if unknown:
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        raise DataError(
            f"{len(unknown)} of {len(splits)} keys in {path} name no image below "
            f"{listing.option}={listing.folder}: {', '.join(unknown[:_SHOWN])}{more}. Keys are "
            f"paths relative to that folder, such as {next(iter(listing.files))!r}."
        )
    return {name: {key for key, split in found.items() if split == name} for name in SPLITS}


Rows = list[tuple[str, str, str]]
"""(where it stands, key, split)"""


def _rows_of_csv(path: Path, text: str) -> Rows:
    table = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    if not {"key", "split"} <= set(table.fieldnames or ()):
        first = next(iter(text.splitlines()), "")
        raise DataError(
            f"{path} must name the columns 'key' and 'split' in its first line, but that reads "
            f"{first.strip()!r}."
        )
    return [
        (f"line {table.line_num}", (row["key"] or "").strip(), (row["split"] or "").strip())
        for row in table
    ]


def _rows_of_txt(path: Path, text: str) -> Rows:
    rows: Rows = []
    # Keys may hold what str.splitlines takes for the end of a line (U+2028, U+0085).
    lines = (line.rstrip("\n") for line in io.StringIO(text, newline=None))
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = line.rsplit(maxsplit=1)  # from the right: keys may hold blanks
        if len(parts) != 2:
            raise DataError(f"{path}, line {number}: expected 'key split', but it is {line!r}.")
        rows.append((f"line {number}", parts[0].strip(), parts[1]))
    return rows


def _rows_of_json(path: Path, text: str) -> Rows:
    try:
        # Pairs, not dicts: a dict would keep the last of two equal keys without a word.
        content = json.loads(text, object_pairs_hook=tuple)
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not valid JSON ({error}).") from None
    rows: Rows = []
    for name, value in content if isinstance(content, tuple) else ():
        if isinstance(value, str):
            rows.append((f"entry {name!r}", name, value))
        elif isinstance(value, list) and all(isinstance(key, str) for key in value):
            rows.extend((f"list {name!r}", key, name) for key in value)
        else:
            raise DataError(
                f'{path}, entry {name!r}: expected {{"train": [keys], ...}} or {{key: split}}.'
            )
    if not rows:
        raise DataError(f'{path} must hold {{"train": [keys], ...}} or {{key: split}}.')
    return rows
