"""Scores by attribute or domain, each with the interval of its own images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesr_bench.image_attributes import ImageAttributes
from facesr_bench.leaderboard.page.board import Board, Floats
from facesr_bench.metrics.intervals import Intervals

MOST_VALUES = 6
"""An attribute with more different values is cut into quarters."""

REPLICATES = 2000
"""Of the bootstrap of each group; the table's own intervals have 10,000."""

_MOST_GROUPS = 24  # of domains; more cannot be read on a page


@dataclass(frozen=True)
class Group:
    """Images that share something.

    Attributes:
        label: "1", "19 to 27.5", "celeba".
        images: how many there are.
        people: how many people they show, where all are known, else None.
        means: column number to (mean, low, high) of each run, None without a score, and None ends
            with fewer than two people or images.
    """

    label: str
    images: int
    people: int | None
    means: Mapping[int, Sequence[tuple[float, float | None, float | None] | None]]


@dataclass(frozen=True)
class Breakdown:
    """All images by one attribute.

    Attributes:
        name: of the attribute, or "domain".
        cut: how the groups were made, in words.
        groups: in order of the value.
        unknown: images without a value.
    """

    name: str
    cut: str
    groups: Sequence[Group]
    unknown: int


def break_down(board: Board, facts: ImageAttributes) -> list[Breakdown]:
    """Every attribute and the domain, where they tell images apart; the whole set is the first."""
    keys = np.array(board.keys, dtype=object)
    if not len(keys) or not board.scores:
        return []
    everything = _group(board, "all images", np.arange(len(keys)))
    found = [Breakdown("all images", "the whole test set", [everything], 0)]
    domains = [facts.domains.get(key) for key in board.keys]
    names = sorted({domain for domain in domains if domain})
    if 1 < len(names) <= _MOST_GROUPS:
        where = np.array([names.index(d) if d else -1 for d in domains])
        found.append(_breakdown(board, "domain", "by domain", names, where))
    for name, values in sorted(facts.attributes.items()):
        numbers = np.array([values.get(key, np.nan) for key in board.keys])
        labels, where, cut = _cut(numbers)
        if len(labels) > 1:
            found.append(_breakdown(board, name, cut, labels, where))
    return found if len(found) > 1 else []


def _cut(numbers: Floats) -> tuple[list[str], NDArray[np.int64], str]:
    """Labels of the groups and the group of each image, -1 where the attribute is not known."""
    known = np.isfinite(numbers)
    values = np.unique(numbers[known])
    where = np.full(len(numbers), -1, dtype=np.int64)
    if len(values) <= MOST_VALUES:
        where[known] = np.searchsorted(values, numbers[known])
        return [f"{value:g}" for value in values], where, "by value"
    edges = np.unique(np.quantile(numbers[known], [0.25, 0.5, 0.75]))
    where[known] = np.searchsorted(edges, numbers[known], side="left")
    present = np.unique(where[known])
    labels = []
    for group in present:
        inside = numbers[where == group]
        labels.append(f"{inside.min():.3g} to {inside.max():.3g}")
    where[known] = np.searchsorted(present, where[known])
    return labels, where, "in quarters of the images"


def _breakdown(
    board: Board, name: str, cut: str, labels: Sequence[str], where: NDArray[np.int64]
) -> Breakdown:
    groups = [
        _group(board, label, np.flatnonzero(where == number)) for number, label in enumerate(labels)
    ]
    return Breakdown(name, cut, groups, int((where < 0).sum()))


def _group(board: Board, label: str, positions: NDArray[np.int64]) -> Group:
    keys = [board.keys[i] for i in positions]
    people = [board.identities.get(key) for key in keys]
    known = len(set(people)) if all(person is not None for person in people) else None
    intervals = Intervals(replicates=REPLICATES, identities=board.identities)
    # One draw of people for all methods and metrics of the group: comparable, and quick.
    table = np.concatenate([scores[:, positions] for scores in board.scores.values()])
    ends = intervals.of_means(keys, table.T)
    cells = [
        None if not np.isfinite(row).any() else (float(np.nanmean(row)), *end)
        for row, end in zip(table, ends, strict=True)
    ]
    runs = len(board.runs)
    means = {
        column: cells[start * runs : (start + 1) * runs]
        for start, column in enumerate(board.scores)
    }
    return Group(label, len(positions), known, means)
