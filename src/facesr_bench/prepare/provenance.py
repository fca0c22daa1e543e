"""Of what and by what a folder was prepared, and whether a second call asks for the same."""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facesr_bench.prepare.containers import FolderContainer
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


def source_facts(sources: SourceSet) -> list[dict[str, Any]]:
    """Every folder and archive that was read: name, number of files, hashes.

    ``listing`` is the sha256 over name and size (in a zip: and CRC) of every file in it; ``sha256``
    is that of an archive's own bytes, None for folders and archives too large to read twice.
    """
    found = []
    for container in sources.containers:
        names = container.names()
        digest = hashlib.sha256()
        for name in names:
            digest.update(f"{name}\0{container.fingerprint(name)}\n".encode())
        path = container.path
        size = None if isinstance(container, FolderContainer) else path.stat().st_size
        whole = None
        if size is not None and size <= HASH_LIMIT:
            with path.open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest()
        found.append(
            {
                "name": path.resolve().name,
                "bytes": size,
                "files": len(names),
                "listing": digest.hexdigest(),
                "sha256": whole,
            }
        )
    return sorted(found, key=lambda source: (source["name"], source["listing"]))


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
    return "not set" if value is None else str(value)


def _named(sources: Any) -> str:
    parts = []
    for source in sources or ():
        size = source.get("bytes")
        parts.append(source["name"] + (f" ({size:,} bytes)" if size is not None else ""))
    return ", ".join(parts) or "none"
