"""A paper's tables in memory."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from facesr_bench.papers.switches import arguments_of, unprinted

Switches = Mapping[str, Any]


@dataclass(frozen=True)
class Tolerance:
    """How far a reproduction may lie off; ours, no paper states one.

    Attributes:
        amount: in the column's printed unit, or a share of the printed value.
        relative: whether it is a share.
    """

    amount: float
    relative: bool

    def of(self, printed: float) -> float:
        """In the column's printed unit."""
        return self.amount * abs(printed) if self.relative else self.amount

    def __str__(self) -> str:
        return f"{self.amount:.0%}" if self.relative else f"{self.amount:g}"


@dataclass(frozen=True)
class PrintedColumn:
    """A printed column.

    Attributes:
        name: as printed.
        keys: metrics it may be, best first; one without "@" matches any reference set, "cost." is
            searched in the record's cost.
        times: the printed value is the metric's times this.
        higher_is_better: the direction.
        decimals: printed; None where ``significant`` digits are.
        significant: printed digits; None where ``decimals`` are.
        tolerance: None where the column is never judged (times, FLOPs).
    """

    name: str
    keys: Sequence[str]
    times: float
    higher_is_better: bool
    decimals: int | None
    significant: int | None
    tolerance: Tolerance | None

    def text(self, value: float) -> str:
        """A value in the printed unit with the printed precision."""
        if self.decimals is not None:
            return f"{value:.{self.decimals}f}"
        return f"{value:.{(self.significant or 2) - 1}e}"


@dataclass(frozen=True)
class Printed:
    """A printed number, with the deviation printed behind it (KID's, over subsets)."""

    value: float
    deviation: float | None = None

    def text(self, column: PrintedColumn) -> str:
        """As the paper has it."""
        text = column.text(self.value)
        return text if self.deviation is None else f"{text} ± {column.text(self.deviation)}"


@dataclass(frozen=True)
class WhoIs:
    """Which records are a printed row.

    Attributes:
        name: of the row in this package; unique.
        prints: as the paper has it.
        method: of the suite; None for other systems, whose images are scored under the row's name.
        switches: all switches that tell the method's variants apart, with this row's values.
        adaptation: strategies of adaptation the record may have, None among them for a run without;
            empty where the row says nothing of it (then only runs without).
        hr: the row of the ground truth itself.
        why: it is not run here, where there is more to say than that it is another system.
    """

    name: str
    prints: str
    method: str | None
    switches: Switches = field(default_factory=dict)
    adaptation: Sequence[str | None] = ()
    hr: bool = False
    why: str = ""


@dataclass(frozen=True)
class Lack:
    """What records of a method lack whatever their row, as tables mark it.

    Attributes:
        when: settings of the method; one of them that a record has is enough.
        mark: a few words.
        why: the footnote.
    """

    when: Sequence[Switches]
    mark: str
    why: str


@dataclass(frozen=True)
class Benchmark:
    """What a block is measured on.

    Attributes:
        name: as printed.
        protocols: names of ours, nearest to the paper first.
        images: the paper's number; None where it gives none.
        differs: why even a faithful run may differ.
    """

    name: str
    protocols: Sequence[str]
    images: int | None
    differs: str


@dataclass(frozen=True)
class Block:
    """The part of a table that is measured on one benchmark."""

    benchmark: Benchmark
    part: str | None
    columns: Sequence[str]
    rows: Mapping[str, Mapping[str, Printed]]

    @property
    def title(self) -> str:
        """The benchmark, and which part of the table it is where there are several."""
        return self.benchmark.name + (f", {self.part}" if self.part else "")


@dataclass(frozen=True)
class PaperTable:
    """One table.

    Attributes:
        number: as printed ("1", "II").
        title: what it shows, in our words.
        experiment: what runs it, ``experiment=...``.
        blocks: in the paper's order.
    """

    number: str
    title: str
    experiment: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Paper:
    """All tables of a paper; see ``papers/<name>.yaml``.

    Attributes:
        same: for a method's switch, other ways to write a value: switch to pairs of equal values.
        lacks: what records of a method may lack, by method.
        headline: table and row whose numbers decide whether the paper is reproduced.
    """

    name: str
    title: str
    source: str
    notes: Sequence[str]
    columns: Mapping[str, PrintedColumn]
    rows: Mapping[str, WhoIs]
    same: Mapping[str, Mapping[str, Sequence[tuple[Any, Any]]]]
    tables: Mapping[str, PaperTable]
    headline: tuple[str, str]
    lacks: Mapping[str, Sequence[Lack]] = field(default_factory=dict)

    def lacking(self, record: Mapping[str, Any]) -> list[Lack]:
        """What this record lacks, of all its method's rows alike."""
        chosen = (record.get("config") or {}).get("method") or {}
        return [
            lack
            for lack in self.lacks.get(str(record["method"]), ())
            if any(
                all(name in chosen and chosen[name] == value for name, value in settings.items())
                for settings in lack.when
            )
        ]

    def is_row(self, who: WhoIs, record: Mapping[str, Any]) -> bool:
        """Whether a run record is of a printed row: method, every argument, way of adapting."""
        return self.is_like(who, record) and not self.departures(who, record)

    def is_like(self, who: WhoIs, record: Mapping[str, Any]) -> bool:
        """Whether it is of a printed row by what tells the paper's rows apart, whatever else is."""
        if who.hr:
            return False
        if who.method is None:
            return str(record.get("label")) == who.name and record["method"] != who.name.lower()
        if record["method"] != who.method:
            return False
        strategy = (record.get("adaptation") or {}).get("strategy")
        if strategy not in (who.adaptation or (None,)):
            return False
        chosen = (record.get("config") or {}).get("method") or {}
        # A switch that an older record has not is as the method itself has it.
        before = arguments_of(who.method, "full") if chosen else {}
        return all(
            (name in chosen or name in before)
            and self._equal(who.method, name, chosen.get(name, before.get(name)), value)
            for name, value in who.switches.items()
        )

    def departures(self, who: WhoIs, record: Mapping[str, Any]) -> list[str]:
        """Arguments, as overrides, that make a record that is like a row another method."""
        return [] if who.method is None else unprinted(record, who.switches)

    def _equal(self, method: str, switch: str, a: Any, b: Any) -> bool:
        for other, value in self.same.get(method, {}).get(switch, ()):
            a = value if _plain(a) == _plain(other) else a
            b = value if _plain(b) == _plain(other) else b
        return bool(_plain(a) == _plain(b))


def _plain(value: Any) -> Any:
    """Lists as sorted tuples: which critics are kept, not in which order; 1 is not True."""
    if isinstance(value, list | tuple):
        return tuple(sorted(map(str, value)))
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return (int.__name__, int(value))
    return (type(value).__name__, value)
