"""Lists of keys: splits that were drawn once, shipped with the project or the user's own."""

from pathlib import Path

import facesr_bench
from facesr_bench.errors import DataError


def list_file(name: str) -> Path:
    """A shipped list (``datasets/lists``) by its name, or a path.

    Raises:
        DataError: there is neither.
    """
    folders = [Path(root) / "datasets" / "lists" for root in facesr_bench.__path__]
    own = Path(name).expanduser()
    for path in (*(folder / name for folder in folders if own.name == name), own):
        if path.is_file():
            return path
    known = sorted(path.name for folder in folders for path in folder.glob("*.txt"))
    raise DataError(
        f"There is no list of keys {name}: no such file, nor one that ships "
        f"({', '.join(known) or 'none'})."
    )


def read_list(path: Path) -> set[str]:
    """The keys of a list.

    Raises:
        DataError: it is no text, is empty or names a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a list of keys in UTF-8 ({error}).") from error
    lines = (line.strip() for line in text.split("\n"))  # keys may hold U+2028
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise DataError(f"{path} names no key.")
    if len(set(keys)) < len(keys):
        twice = next(a for a, b in zip(sorted(keys), sorted(keys)[1:], strict=False) if a == b)
        raise DataError(f"{path} names the key {twice!r} twice.")
    return set(keys)
