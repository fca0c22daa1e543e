"""Copies of the checkout to plant faults in."""

import compileall
import py_compile
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mutants.listing import Fault


def checkout_files(root: Path) -> list[str]:
    """What git tracks, and what it would: a fault's new test may not be committed yet."""
    words = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return sorted({name for name in listed.split("\0") if name and (root / name).is_file()})


def copy_checkout(root: Path, target: Path) -> None:
    """Copy it as it lies there, and compile it.

    The bytecode is checked by the source's hash. Python's usual check, by time and size, would take the
    bytecode of before for a file that was changed within a second and kept its length.
    """
    for name in checkout_files(root):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, target / name)
    by_hash = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(target, quiet=2, invalidation_mode=by_hash)


@contextmanager
def planted(fault: Fault, copy: Path) -> Iterator[None]:
    """The copy holds the fault inside, and is as before afterwards."""
    path = copy / fault.file
    before = path.read_bytes()
    path.write_bytes(fault.planted_in(before.decode("utf-8")).encode("utf-8"))
    try:
        yield
    finally:
        path.write_bytes(before)
