"""Contents by path, written the ways an owner's files reach a user: a folder, or one archive."""

import zipfile
from pathlib import Path


def write(root: Path, contents: dict[str, bytes]) -> Path:
    """As files below a folder."""
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def zipped(path: Path, contents: dict[str, bytes]) -> Path:
    """As one archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path
