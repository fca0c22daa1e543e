"""Any metric, fed as one process and as several ranks would feed it, must say the same."""

from collections.abc import Callable

import pytest

from facesr_bench.metrics.base import FaceMetric, ScoreBatch
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.rows import RowTable


def part(batch: ScoreBatch, indices: list[int]) -> ScoreBatch:
    """Some images of a batch."""

    def pick(items):
        return [items[i] for i in indices]

    return ScoreBatch(
        pick(batch.keys),
        batch.sr[indices],
        None if batch.hr is None else batch.hr[indices],
        None if batch.lr is None else batch.lr[indices],
        pick(batch.identities),
        pick(batch.landmarks),
        pick(batch.attributes),
    )


def intervals_of(batch: ScoreBatch, replicates: int = 200) -> Intervals:
    """As the suite makes them."""
    pairs = zip(batch.keys, batch.identities, strict=True)
    identities = {key: identity for key, identity in pairs if identity is not None}
    return Intervals(replicates=replicates, identities=identities)


def merged(build: Callable[[], FaceMetric], batch: ScoreBatch, shards: list[list[list[int]]]):
    """What rank 0 holds after every rank fed its batches and the rows were gathered."""
    tables: dict[str, RowTable] = {}
    for batches in shards:
        metric = build()
        for indices in batches:
            metric.update(part(batch, indices))
        for name, table in metric.rows().items():
            whole = tables.setdefault(name, RowTable())
            whole.add(table.keys, table.take(table.keys))
    first = build()
    first.load_rows(tables)
    return first


def assert_shards_agree(
    build: Callable[[], FaceMetric], batch: ScoreBatch, tolerance: float = 1e-6
):
    """One process with one batch; three ranks: uneven batches, padding, and a rank with no images."""
    n = len(batch.keys)
    one = merged(build, batch, [[list(range(n))]])
    odd, even = list(range(1, n, 2)), list(range(0, n, 2))
    many = merged(build, batch, [[], [odd[:1], odd[1:]], [[*even, 1]]])
    intervals = intervals_of(batch)
    expected, got = one.results(intervals), many.results(intervals)
    assert list(expected) == list(got) and expected
    for key, value in expected.items():
        other = got[key]
        assert other.value == pytest.approx(value.value, rel=tolerance, abs=tolerance), key
        assert (other.n, other.settings, other.ci_kind) == (value.n, value.settings, value.ci_kind)
        if value.ci95 is not None:
            assert other.ci95 == pytest.approx(value.ci95, rel=1e-4, abs=1e-4), key
    for key, column in one.per_image().items():
        theirs = many.per_image()[key]
        assert theirs.keys() == column.keys()
        assert list(theirs.values()) == pytest.approx(
            list(column.values()), rel=tolerance, abs=tolerance, nan_ok=True
        )
