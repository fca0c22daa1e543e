"""Of what and by what a folder was prepared, and whether a second call asks for the same."""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facesr_bench.prepare.containers import FolderContainer
from facesr_bench.prepare.distrust import raw_name
from facesr_bench.prepare.sources import SourceSet

HASH_LIMIT = 4 << 30
"""Archives up to this size are hashed whole; a zip's listing has the CRC of every entry anyway."""


def source_names(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """What tells sources apart at a glance: names, and the sizes of archives."""
    found = [
        {"name": path.resolve().name, "bytes": path.stat().st_size if path.is_file() else None}
        for path in paths
    ]
    return sorted(found, key=lambda source: str(source["name"]))


Published = Mapping[str, tuple[int | None, str]]
"""Base name of an archive to its bytes (None: not known) and md5, as its owner publishes them."""


def source_facts(
    sources: SourceSet, published: Published | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Every folder and archive that was read: name, number of files, hashes.

    ``listing`` is the sha256 over name and size (in a zip: and CRC) of every file in it; ``sha256``
    is that of an archive's own bytes, None for folders and archives too large to read twice.

    Args:
        sources: what was given.
        published: what the owner's archives should be.

    Returns:
        The facts, and a sentence for each archive that is not what its owner publishes.
    """
    found, notes = [], []
    for container in sources.containers:
        names = container.names()
        digest = hashlib.sha256()
        for name in names:
            digest.update(raw_name(f"{name}\0{container.fingerprint(name)}\n"))
        path = container.path
        size = None if isinstance(container, FolderContainer) else path.stat().st_size
        expected = (published or {}).get(path.name) if size is not None else None
        whole = md5 = None
        if size is not None and size <= HASH_LIMIT:
            whole, md5 = _hashes(path, with_md5=expected is not None)
        if expected is not None:
            notes += _compare(path.name, (size, md5), expected)
        found.append(
            {
                "name": path.resolve().name,
                "bytes": size,
                "files": len(names),
                "listing": digest.hexdigest(),
                "sha256": whole,
            }
        )
    return sorted(found, key=lambda source: (source["name"], source["listing"])), sorted(notes)


def _hashes(path: Path, with_md5: bool) -> tuple[str, str | None]:
    """sha256 and, if asked for, md5 of a file, read once."""
    sha256 = hashlib.sha256()
    md5 = hashlib.md5(usedforsecurity=False) if with_md5 else None
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            sha256.update(block)
            if md5 is not None:
                md5.update(block)
    return sha256.hexdigest(), None if md5 is None else md5.hexdigest()


def _compare(
    name: str, found: tuple[int | None, str | None], expected: tuple[int | None, str]
) -> list[str]:
    for what, here, there in zip(("size", "md5"), found, expected, strict=True):
        if here is not None and there is not None and here != there:
            return [
                f"{name} is not the file its owner published: its {what} is {_shown(here)}, not "
                f"{_shown(there)}. It is another version, packed anew, or damaged."
            ]
    return []


def versions() -> dict[str, str]:
    """Of everything prepared pixels and tables depend on."""
    import numpy as np
    import PIL
    import pyarrow as pa
    from PIL import features

    from facesr_bench import __version__

    return {
        "facesr_bench": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "libjpeg": str(features.version("jpg")),
        "pyarrow": pa.__version__,
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What two calls differ in, as phrases: "size is 64 there and 128 here"."""
    found = []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new)
        elif name == "sources":
            found.append(f"the sources are {_named(old)} there and {_named(new)} here")
        else:
            found.append(f"{name} is {_shown(old)} there and {_shown(new)} here")
    return found


def _shown(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value > 99_999:
        return f"{value:,}"
    return "not set" if value is None else str(value)


def _named(sources: Any) -> str:
    parts = []
    for source in sources or ():
        size = source.get("bytes")
        parts.append(source["name"] + (f" ({size:,} bytes)" if size is not None else ""))
    return ", ".join(parts) or "none"
