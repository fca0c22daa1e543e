"""One prepared folder, opened: its table in columns, its packs mapped when first read."""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import DataError
from facesr_bench.prepare.layout import Layout
from facesr_bench.prepare.manifest import attributes_of, points_of, read_manifest
from facesr_bench.prepare.opening import read_facts
from facesr_bench.prepare.packing import Pack, packs_of

from .wanted import Wanted

_COLUMNS = (
    "key", "split", "role", "identity", "attributes", "landmarks", "domain", "height", "width",
    "border", "border_shape",
)  # fmt: skip


class Store:
    """A complete prepared folder.

    Args:
        wanted: which, and what it must be.

    Raises:
        DataError: it is missing, interrupted, damaged, or was prepared otherwise.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.layout = Layout(wanted.folder)
        _check_there(self.layout, wanted)
        self.facts = read_facts(self.layout)
        wanted.check(self.layout, self.facts)
        table = read_manifest(self.layout.manifest, _COLUMNS)
        if self.facts["counts"]["images"] != table.num_rows:
            raise DataError(
                f"{self.layout.manifest} lists {table.num_rows:,} images, but prepared.json counts "
                f"{self.facts['counts']['images']:,}: one of the two was changed. Delete the folder, "
                f"then: {wanted.command}"
            )
        self.keys: list[str] = table["key"].to_pylist()
        self.split: NDArray[np.str_] = np.array(table["split"].to_pylist())
        self.role: NDArray[np.str_] = np.array(table["role"].to_pylist())
        self.identity: list[str | None] = table["identity"].to_pylist()
        self.domain: list[str | None] = table["domain"].to_pylist()
        self.names, self.attributes = attributes_of(table["attributes"])
        points = points_of(table["landmarks"], 10, np.nan)
        self.landmarks = points.astype(np.float32).reshape(-1, 5, 2)
        self.height = np.asarray(table["height"])
        self.width = np.asarray(table["width"])
        self.border = points_of(table["border"], 4, -1).astype(np.int64)
        """Top, right, bottom, left; -1 where there is no border image."""
        self.border_shape = points_of(table["border_shape"], 2, -1).astype(np.int64)
        """Height and width of the border image; -1 likewise."""

    @cached_property
    def packs(self) -> list[Pack]:
        """The packs that were written."""
        wide = [None if shape[0] < 0 else shape for shape in self.border_shape.tolist()]
        sizes = zip(self.height.tolist(), self.width.tolist(), wide, strict=True)
        written = {pack["file"] for pack in self.facts["packs"]}
        return [pack for pack in packs_of(sizes) if pack.file in written]

    def provenance(self) -> dict[str, Any]:
        """How the folder was made, as plain values for a run record; its name, but no path.

        ``content`` names the prepared pixels on every machine; ``manifest_sha256`` this manifest with
        its splits, people and domains, written by one version of pyarrow.
        """
        decided = ("recipe", "version", "arguments", "size", "operator")
        with self.layout.manifest.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {
            "folder": self.layout.root.resolve().name,
            **{name: self.facts.get(name) for name in decided},
            "content": self.facts.get("content"),
            "manifest_sha256": digest,
            "left_out": len(self.facts.get("left_out", ())),
        }

    @property
    def holds(self) -> str:
        """How many images of which kind, for messages."""
        splits = self.facts["counts"]["splits"]
        counts = [
            f"{n:,} {kind.upper()} in {name}"
            for name, of in splits.items()
            for kind, n in of.items()
        ]
        return f"it holds {', '.join(counts)}"


def _check_there(layout: Layout, wanted: Wanted) -> None:
    if layout.complete:
        return
    place = layout.root if layout.root.is_absolute() else f"{layout.root} (from {Path.cwd()})"
    if not layout.root.exists():
        found = "the folder does not exist"
    elif layout.started:
        done = sum(1 for path in layout.images.rglob("*.png")) if layout.images.is_dir() else 0
        found = (
            f"its preparation was interrupted after {done:,} images, and the same command goes on"
        )
    else:
        names = sorted(path.name for path in layout.root.iterdir())
        holds = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        found = f"the folder holds {holds or 'nothing'}, but no {layout.manifest.name}"
    raise DataError(
        f"There is no prepared data in {place}: {found}. Prepare it: {wanted.command}\n"
        f"What PATH is, and where to get it: facesr-bench prepare --list"
    )
