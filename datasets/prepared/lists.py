"""Lists of keys: splits that were drawn once, shipped with the project or the user's own."""

from pathlib import Path

from facesr_bench.errors import DataError

LISTS = Path(__file__).resolve().parents[1] / "lists"
"""Those that ship."""


def list_file(name: str) -> Path:
    """A shipped list by its name, or a path.

    Raises:
        DataError: there is neither.
    """
    shipped, own = LISTS / name, Path(name).expanduser()
    if own.name == name and shipped.is_file():
        return shipped
    if own.is_file():
        return own
    names = ", ".join(sorted(path.name for path in LISTS.glob("*.txt"))) or "none"
    raise DataError(f"There is no list of keys {name}: no such file, nor one that ships ({names}).")


def read_list(path: Path) -> set[str]:
    """The keys of a list.

    Raises:
        DataError: it is empty or names a key twice.
    """
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise DataError(f"{path} names no key.")
    if len(set(keys)) < len(keys):
        twice = next(a for a, b in zip(sorted(keys), sorted(keys)[1:], strict=False) if a == b)
        raise DataError(f"{path} names the key {twice!r} twice.")
    return set(keys)
