"""Writes the site: a page for each protocol, a list of them, and the images they show."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facesr_bench.errors import UsageError
from facesr_bench.images import write_atomically
from facesr_bench.leaderboard.page.board import Board
from facesr_bench.leaderboard.page.details import home_free
from facesr_bench.leaderboard.page.document import index_page, protocol_page
from facesr_bench.leaderboard.page.inputs import NoInputs, find_inputs
from facesr_bench.leaderboard.page.payload import payload
from facesr_bench.leaderboard.page.pictures import copy_pictures
from facesr_bench.leaderboard.page.runs import Record, read_runs
from facesr_bench.leaderboard.page.subgroups import break_down
from facesr_bench.leaderboard.records import Found

_MANIFEST = "site.json"
IMAGES = 4
"""Of each method, metric and rank."""


@dataclass
class Site:
    """A folder that holds a site and nothing else.

    Args:
        root: the folder; made if needed.

    Raises:
        UsageError: the folder holds files that no site of ours left there.
    """

    root: Path
    files: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.root.is_file():
            raise UsageError(f"--html {self.root} is a file; give a folder to write the site to.")
        self._before = self._read_manifest()
        present = self.root.is_dir() and any(self.root.iterdir())
        if present and self._before is None:
            raise UsageError(
                f"--html {self.root} holds files that are not a site of facesr-bench. Give a folder "
                "that is empty or does not exist."
            )

    def write(self, name: str, content: bytes) -> None:
        """Store one file under its relative path."""
        write_atomically(self.root / name, content)
        self.files[name] = len(content)

    def finish(self) -> None:
        """Note what was written, and drop what an earlier site left."""
        note = {"made_by": "facesr-bench leaderboard --html", "files": sorted(self.files)}
        write_atomically(self.root / _MANIFEST, (json.dumps(note, indent=1) + "\n").encode())
        root = self.root.resolve()
        for name in set(self._before or ()) - set(self.files):
            path = (root / name).resolve()
            if path.is_relative_to(root) and path.is_file():
                path.unlink()
        for folder in sorted((p for p in root.rglob("*") if p.is_dir()), reverse=True):
            if not any(folder.iterdir()):
                folder.rmdir()

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(self.files.values())

    def _read_manifest(self) -> list[str] | None:
        try:
            return [str(name) for name in json.loads((self.root / _MANIFEST).read_bytes())["files"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None


def write_site(found: Found, out: Path, images: int = IMAGES) -> Site:
    """Write the site of all records.

    Args:
        found: the records, and what could not be read, which every page tells.
        out: the folder; an earlier site there is replaced.
        images: worst, median and best images of each method and metric to copy; 0 for none.

    Raises:
        UsageError: the folder holds something else.
    """
    site = Site(out)
    asides = [home_free(sentence) for sentence in found.unreadable]
    for run in found.stopped:
        why = f"failed: {run.error}" if run.error else "running, stopped or killed"
        asides.append(home_free(f"{run.folder} has no result.json ({why})."))
    groups: dict[str, list[tuple[Path, Record]]] = {}
    for folder, record in found.records:
        groups.setdefault(str(record["protocol"]["hash"]), []).append((folder, record))
    boards = [Board.of(read_runs(group)) for group in groups.values()]
    names = _file_names(boards)
    for name, board in zip(names, boards, strict=True):
        page = _page(site, board, name, images, asides, home=len(boards) > 1)
        site.write(name, page.encode())
    if len(boards) > 1:
        rows = list(zip(names, boards, strict=True))
        site.write("index.html", index_page(rows, asides).encode())
    site.finish()
    return site


def _page(
    site: Site, board: Board, name: str, images: int, asides: Sequence[str], home: bool
) -> str:
    inputs = find_inputs(board.runs) if images else NoInputs("")
    folder = f"images/{name.removesuffix('.html')}"
    pictures = copy_pictures(board, inputs, images, folder, site.write)
    facts = next(
        (r.facts for r in board.runs if r.facts.attributes or r.facts.domains), inputs.facts
    )
    data = payload(board, break_down(board, facts), pictures)
    return protocol_page(board, data, asides, home)


def _file_names(boards: Sequence[Board]) -> list[str]:
    """A file for each protocol, with a name that is safe anywhere; one alone is the front page."""
    if len(boards) == 1:
        return ["index.html"]
    names = []
    for board in boards:
        word = re.sub(r"[^a-z0-9]+", "-", str(board.protocol["name"]).lower()).strip("-")[:40]
        digest = re.sub(r"[^0-9a-f]", "", str(board.protocol["hash"]).lower())[:8]
        name = f"{word or 'protocol'}-{digest}"
        while f"{name}.html" in names:
            name += "x"
        names.append(f"{name}.html")
    return names
