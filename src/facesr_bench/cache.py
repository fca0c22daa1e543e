"""One folder for what can be made again: rendered faces, later downloaded weights."""

import os
import sys
from pathlib import Path


def cache_dir() -> Path:
    """``FACESR_CACHE``, or the user's cache folder of this platform; not created here."""
    chosen = os.environ.get("FACESR_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "facesr-bench"
