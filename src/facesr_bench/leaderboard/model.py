"""A table in memory: what every view (terminal, Markdown, CSV, LaTeX, HTML, web page) is drawn from.

Plain data made of run records, without PyTorch. :mod:`facesr_bench.leaderboard.run_tables` makes tables
of all runs, :mod:`facesr_bench.leaderboard.paper_tables` sets a paper's printed table beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from facesr_bench.papers.contents import Printed, PrintedColumn

State = Literal["measured", "missing", "failed", "not measured", "not run", "unfinished", "printed"]
"""``missing``: the run did not ask for this metric. ``failed``: it, or the whole run, broke.
``not measured``: it could not apply, or something it needs was not there. ``not run``: there is no run
of this row. ``unfinished``: a run that left no record (running or stopped). ``printed``: another
system's, by the paper alone."""

Division = Literal[
    "released weights", "protocol data", "open", "no training", "images from elsewhere"
]
"""``protocol data``: trained here, on the protocol's own training data and nothing else. ``open``: on
other data, or nobody knows on what."""


@dataclass(frozen=True)
class Mark:
    """What a reader must know beside a row or a value.

    Attributes:
        text: a few words, shown with it.
        why: the sentence of the footnote.
        disqualifies: whether what is marked may be called the best of its column.
    """

    text: str
    why: str
    disqualifies: bool = False


@dataclass(frozen=True)
class Finding:
    """One headline number: the paper's beside ours, in the paper's unit."""

    what: str
    paper: float
    ours: float
    tolerance: float

    @property
    def within(self) -> bool:
        """Whether ours lies within the stated tolerance of the paper's."""
        return abs(self.ours - self.paper) <= self.tolerance


@dataclass(frozen=True)
class Status:
    """How far a method is verified on a protocol, computed from records.

    Attributes:
        name: "golden-equal", "official-weights-equal", "reproducing", "working" or "not reproducing".
        reason: a sentence.
        findings: the headline numbers behind it.
    """

    name: str
    reason: str
    findings: Sequence[Finding] = ()


@dataclass(frozen=True)
class Cell:
    """One value, or why there is none.

    Attributes:
        state: see :data:`State`.
        metric: the entry of the record (value, ci95, n, settings ...); None where there is none.
        times: what is shown is the metric's value times this.
        reason: a sentence, for every state but "measured".
        best: the best of its column, among rows that may be.
        marks: of this value alone (a metric whose network the method trained with).
        printed: the paper's number, in views of a paper.
    """

    state: State
    metric: Mapping[str, Any] | None = None
    times: float = 1.0
    reason: str = ""
    best: bool = False
    marks: Sequence[Mark] = ()
    printed: Printed | None = None

    @property
    def value(self) -> float | None:
        """In the unit shown."""
        found = None if self.metric is None else self.metric.get("value")
        return None if found is None else float(found) * self.times

    @property
    def ci95(self) -> tuple[float, float] | None:
        """The 95 % interval in the unit shown."""
        found = None if self.metric is None else self.metric.get("ci95")
        return None if not found else (float(found[0]) * self.times, float(found[1]) * self.times)

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's."""
        if self.value is None or self.printed is None:
            return None
        return self.value - self.printed.value


@dataclass(frozen=True)
class Head:
    """The head of a column.

    Attributes:
        name: as shown; names the settings where one metric was measured in several ways.
        key: the metric's key; None where no record has one.
        settings: hash of its settings; cells of one column share it.
        higher_is_better: None where rows disagree.
        of_too_few: a distance of too few images to rank by.
        floor: what HR itself would score, as text.
        printed: the paper's column, in views of a paper.
    """

    name: str
    key: str | None
    settings: str | None
    higher_is_better: bool | None
    of_too_few: bool = False
    floor: str | None = None
    printed: PrintedColumn | None = None


@dataclass(frozen=True)
class Row:
    """One run, or one printed row that no run is of.

    Attributes:
        name: the run's label, or the paper's word.
        cells: one for each head.
        record: the run record; None without a run.
        folder: where it lies (``per_image.csv``, ``sr/``, ``images/`` beside it).
        division: where its weights come from.
        status: how far the method is verified on this protocol.
        marks: of the whole row.
        superseded: why the record is of an older version of its protocol; None where it is current.
        differs: in views of a paper, why ours may differ from the paper's.
    """

    name: str
    cells: Sequence[Cell]
    record: Mapping[str, Any] | None = None
    folder: Path | None = None
    division: Division | None = None
    status: Status | None = None
    marks: Sequence[Mark] = ()
    superseded: str | None = None
    differs: Sequence[str] = ()

    @property
    def may_be_best(self) -> bool:
        """Nothing about it forbids to call its values the best."""
        return self.superseded is None and not any(mark.disqualifies for mark in self.marks)


@dataclass(frozen=True)
class Table:
    """Rows that were asked the same: one protocol, to the bit.

    Attributes:
        title: one line.
        heads: columns.
        rows: in the order of the runs, or of the paper.
        notes: sentences to print below.
        protocol: name, version and hash; None where there is no run at all.
        paper: name of the paper in views of one.
    """

    title: str
    heads: Sequence[Head]
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    protocol: Mapping[str, Any] | None = None
    paper: str | None = None
    hidden: Sequence[str] = field(default_factory=tuple)
    """Runs of a smoke budget that a view of a paper leaves out, and how many."""
