"""What the page knows of each run: its record, every image's scores, and what is missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facesr_bench.errors import DataError
from facesr_bench.image_attributes import ImageAttributes, read_attributes
from facesr_bench.metrics.scores import PerImage, read_identities, read_per_image

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """One row of a page.

    Attributes:
        folder: of the run.
        record: its ``result.json``.
        name: what the page calls it; no two rows have the same.
        per_image: metric to image key to score; empty without ``per_image.csv``.
        identities: image key to person, where known.
        facts: attributes and domains of the images, where the run stored them.
        problems: sentences about what could not be read.
    """

    folder: Path
    record: Record
    name: str
    per_image: PerImage = field(default_factory=dict)
    identities: Mapping[str, str] = field(default_factory=dict)
    facts: ImageAttributes = field(default_factory=ImageAttributes)
    problems: tuple[str, ...] = ()


def read_runs(found: Sequence[tuple[Path, Record]]) -> list[Run]:
    """Read the tables beside the records; a damaged one costs only itself.

    Args:
        found: folder and record of runs that share their test inputs.
    """
    names = _unique([str(record.get("label") or record["method"]) for _, record in found])
    return [_read(*item, name) for item, name in zip(found, names, strict=True)]


def _read(folder: Path, record: Record, name: str) -> Run:
    problems: list[str] = []
    per_image: PerImage = {}
    identities: dict[str, str] = {}
    facts = ImageAttributes()
    table = folder / "per_image.csv"
    if table.exists():
        try:
            per_image, identities = read_per_image(table), read_identities(table)
        except DataError as error:
            problems.append(_without(folder, error))
    else:
        problems.append("The run has no per_image.csv, so single images cannot be shown.")
    try:
        facts = read_attributes(folder / "attributes.csv")
    except DataError as error:
        problems.append(_without(folder, error))
    return Run(folder, record, name, per_image, identities, facts, tuple(problems))


def _without(folder: Path, error: DataError) -> str:
    """The sentence without the folder: pages are published, paths of this machine are not."""
    return str(error).replace(f"{folder}/", "")


def _unique(names: Sequence[str]) -> list[str]:
    """Names with a number where two runs are called the same."""
    total, seen = Counter(names), Counter[str]()
    taken = {name for name in names if total[name] == 1}
    unique = []
    for name in names:
        candidate = name
        while total[name] > 1 and (candidate == name or candidate in taken):
            seen[name] += 1
            candidate = f"{name} #{seen[name]}"
        taken.add(candidate)
        unique.append(candidate)
    return unique
