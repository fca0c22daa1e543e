"""From the ``table`` block of an experiment to the runs it consists of, in an order that works.

``conf/experiment/<paper>/<table>.yaml``::

    table:
      paper: scgan                     # whose table, for `leaderboard --paper`
      number: "1"
      data: [scgan_ls3dw, scgan_ffhq]  # every cell runs on these, in this order
      every: [metrics=paper]           # overrides of every run, but not at scale=smoke
      smoke: {data: {tiny: []}, every: [metrics=core]}   # what stands for both at scale=smoke
      only: null                       # or some cells: table.only=[SCGAN]
      cells:
        SCGAN: {run: [+method=scgan]}

A cell has ``run`` (overrides), and may have ``full`` and ``smoke`` (more of them, not at or only at
scale=smoke; ``smoke: {left_out: WHY}`` where it cannot run there), ``data`` of its own, ``trains``
(``first``: on its first data; these weights are tested on the others; ``each``; ``no``), ``weights``
and ``prior`` (a cell whose checkpoint it starts from, or whose generator it stands on; ``prior`` is
left out at scale=smoke).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesr_bench.errors import ConfigError

_KEYS = {"run", "full", "smoke", "data", "trains", "weights", "prior"}


@dataclass(frozen=True)
class Cell:
    """One run of a table.

    Attributes:
        name: for messages.
        folder: where it writes.
        overrides: Hydra's, without what depends on other cells.
        weights: the cell whose checkpoint it takes, by folder; None for none.
        prior: the cell whose generator it stands on, likewise.
    """

    name: str
    folder: Path
    overrides: tuple[str, ...]
    weights: Path | None = None
    prior: Path | None = None

    @property
    def stage(self) -> str:
        """What it does: its last ``stage=``, or all."""
        found = [word for word in self.overrides if word.startswith("stage=")]
        return found[-1].removeprefix("stage=") if found else "fit_test"

    @property
    def needs(self) -> list[Path]:
        """Folders of cells that must be finished before."""
        return [folder for folder in (self.weights, self.prior) if folder is not None]


def plan(table: Mapping[str, Any], scale: str, root: Path, user: Sequence[str]) -> list[Cell]:
    """The runs of a table; those others need come before them.

    Args:
        table: the ``table`` block.
        scale: of the run: at "smoke" the data are small ones.
        root: the cells' folders lie below it.
        user: overrides of the command line; they win over a cell's own.

    Raises:
        ConfigError: a key or a cell that does not exist.
    """
    cells: Mapping[str, Any] = table["cells"]
    for name, cell in cells.items():
        unknown = set(cell) - _KEYS
        if unknown or "run" not in cell:
            raise ConfigError(
                f"The cell {name!r} of table {table['number']} needs run, and may have "
                f"{', '.join(sorted(_KEYS - {'run'}))}; it has {', '.join(sorted(cell))}."
            )
    names = list(table.get("only") or cells)
    if scale == "smoke":  # the embedded prior stands in for those trained here
        priors = {cell.get("prior") for cell in cells.values()}
        names = [name for name in names if name not in priors and name not in left_out(table)]
    wanted = _with_needed(cells, names, scale)
    return [run for name in wanted for run in _runs(name, table, scale, root, user)]


def left_out(table: Mapping[str, Any]) -> dict[str, str]:
    """Cells that cannot run at scale=smoke, and why."""
    said = {name: cell.get("smoke") for name, cell in table["cells"].items()}
    return {name: str(smoke["left_out"]) for name, smoke in said.items() if _is_reason(smoke)}


def _is_reason(smoke: object) -> bool:
    return isinstance(smoke, Mapping) and set(smoke) == {"left_out"}


def slug(name: str) -> str:
    """A cell's name as a folder's, on every system."""
    return re.sub(r"[^\w.-]+", "_", name).strip("_")


def _with_needed(cells: Mapping[str, Any], names: Sequence[str], scale: str) -> list[str]:
    """The chosen cells, each after those it needs."""
    order: list[str] = []

    def add(name: str) -> None:
        if name not in cells:
            raise ConfigError(f"The table has no cell {name!r}; choose {', '.join(cells)}.")
        if name in order:
            return
        for key in ("weights", "prior"):
            if cells[name].get(key) and not (key == "prior" and scale == "smoke"):
                add(cells[name][key])
        order.append(name)

    for name in names:
        add(name)
    return order


def _data(name: str, table: Mapping[str, Any], scale: str) -> dict[str, list[str]]:
    """The data a cell runs on, with overrides that go with them."""
    if scale == "smoke":
        return dict(table["smoke"]["data"])
    return {data: [] for data in table["cells"][name].get("data") or table["data"]}


def _runs(
    name: str, table: Mapping[str, Any], scale: str, root: Path, user: Sequence[str]
) -> list[Cell]:
    cell = table["cells"][name]
    trains = cell.get("trains", "first")
    found = []
    data = _data(name, table, scale)
    first = next(iter(data))
    for data_name, small in data.items():
        folder = root / slug(name) / data_name
        own = [*cell["run"], f"+data={data_name}", *small, *_every(table, scale)]
        own += [*(cell.get("smoke" if scale == "smoke" else "full") or ())]
        weights = _folder_of(cell.get("weights"), data_name, table, scale, root)
        prior = None
        if scale != "smoke":
            prior = _folder_of(cell.get("prior"), data_name, table, scale, root)
        if trains == "first" and weights is None and data_name != first:
            own.append("stage=test")
            weights = root / slug(name) / first
        if "stage=adapt" not in own:
            own.append(f"label='{name}'")
        words = _latest([*own, *user])
        words += [f"output_dir={folder}", f"table.cell={slug(name)}"]
        found.append(Cell(f"{name} on {data_name}", folder, tuple(words), weights, prior))
    return found


def _every(table: Mapping[str, Any], scale: str) -> list[str]:
    block = table["smoke"] if scale == "smoke" else table
    return list(block.get("every") or ())


def _folder_of(
    name: str | None, data_name: str, table: Mapping[str, Any], scale: str, root: Path
) -> Path | None:
    """The folder of the run of a cell that another one on this data needs."""
    if name is None:
        return None
    each = table["cells"][name].get("trains") == "each"
    return root / slug(name) / (data_name if each else next(iter(_data(name, table, scale))))


def key_of(override: str) -> str:
    """What an override sets, whether it adds it or not."""
    return override.split("=", 1)[0].lstrip("+~")


def _latest(overrides: Sequence[str]) -> list[str]:
    """Of overrides of one key the last; Hydra refuses a group that is chosen twice."""
    kept: dict[str, str] = {}
    for word in overrides:
        key = key_of(word)
        if key in ("output_dir", "table.only"):
            continue
        # A cell adds its group (+method=...); a user who replaces it need not.
        adds = key in kept and kept[key].startswith("+") and not word.startswith(("+", "~"))
        kept[key] = f"+{word}" if adds else word
    return list(kept.values())
