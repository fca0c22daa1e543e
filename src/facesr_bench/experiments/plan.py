"""From the ``table`` block of an experiment to the runs it consists of, in an order that works.

``conf/experiment/<paper>/<table>.yaml``::

    table:
      paper: scgan                     # whose table, for `leaderboard --paper`
      number: "1"
      data: [scgan_ls3dw, scgan_ffhq]  # every cell runs on these, in this order
      every: [metrics=paper]           # overrides of every run, but not at scale=smoke
      smoke: {data: {tiny: []}, every: [metrics=core]}   # what stands for both at scale=smoke
      only: null                       # or some cells: table.only=[SCGAN]
      same_training: {b: a}            # data b trains on the images of a: once is enough
      cells:
        SCGAN: {run: [+method=scgan]}

A cell has ``run`` (overrides), and may have ``full`` and ``smoke`` (more of them, not at or only at
scale=smoke; ``smoke: {left_out: WHY}`` where it cannot run there), ``data`` of its own, ``trains``
(``first``: once, with what its first data train on; these weights are tested on all of them;
``each``; ``no``), ``weights`` and ``prior`` (a cell whose checkpoint it starts from, or whose generator
it stands on; ``prior`` is left out at scale=smoke), and ``same_run_as`` (a cell, of this or of another
table of the paper, that asks for the same: it runs once, in that cell's folder, for both rows).

Overrides of ``method.`` that the user adds make other runs: they get a label and a folder of their own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesr_bench.errors import ConfigError
from facesr_bench.experiments.words import argument, taken_by

_KEYS = {"run", "full", "smoke", "data", "trains", "weights", "prior", "same_run_as"}
_TRAINING = "training"
"""Folder of a training that is tested on several sets: it needs none of their test images."""


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
        ConfigError: a key or a cell that does not exist, or an override that no cell can take.
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
    for word in user:
        if not any(word in taken_by(cells[name]["run"], [word]) for name in wanted):
            raise ConfigError(
                f"No method of these cells of table {table['number']} has {argument(word)!r}, "
                f"which {word} sets."
            )
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
    own_user = taken_by(cell["run"], user)
    data = _data(name, table, scale)
    first = next(iter(data))
    home = _home(name, table, root, user)
    trained_apart = _trains_apart(name, table, scale, home)
    found = []

    def add(folder: Path, said: str, data_name: str, weights: Path | None, *stage: str) -> None:
        own = [*cell["run"], f"+data={data_name}", *data[data_name], *_every(table, scale)]
        own += [*(cell.get("smoke" if scale == "smoke" else "full") or ()), *stage]
        prior = None
        if scale != "smoke":
            prior = _folder_of(cell.get("prior"), data_name, table, scale, root, user)
        if "stage=adapt" not in own:
            own.append(f"label='{_label(name, own_user)}'")
        words = _latest([*own, *own_user])
        words += [f"output_dir={folder}", f"table.cell={slug(name)}"]
        found.append(Cell(said, folder, tuple(words), weights, prior))

    if trained_apart:
        add(home / _TRAINING, f"{name}, training", first, None, "stage=fit")
    for data_name in data:
        if cell.get("trains") == "each" and _trained_as(data_name, table) in data.keys() - {
            data_name
        }:
            continue  # there it is trained already, on the same images
        weights = _folder_of(cell.get("weights"), data_name, table, scale, root, user)
        stage: list[str] = []
        if trained_apart or (
            cell.get("trains", "first") == "first" and weights is None and data_name != first
        ):
            stage = ["stage=test"]
            weights = home / (_TRAINING if trained_apart else first)
        add(home / data_name, f"{name} on {data_name}", data_name, weights, *stage)
    return found


def _trains_apart(name: str, table: Mapping[str, Any], scale: str, home: Path) -> bool:
    """Whether a cell's training is a run of its own, so that no test set has to be at hand for it.

    Earlier, the first data's run trained and was tested; one that was begun so goes on so.
    """
    cell, data = table["cells"][name], _data(name, table, scale)
    begun = (home / next(iter(data)) / "checkpoints" / "last.ckpt").is_file()
    return (
        cell.get("trains", "first") == "first"
        and cell.get("weights") is None
        and not any(word.startswith("stage=") for word in cell["run"])
        and len(data) > 1
        and not begun
    )


def _home(name: str, table: Mapping[str, Any], root: Path, user: Sequence[str]) -> Path:
    """The folder of all of a cell's runs."""
    cell = table["cells"][name]
    return root / slug(_label(cell.get("same_run_as") or name, taken_by(cell["run"], user)))


def _label(name: str, user: Sequence[str]) -> str:
    """A cell's name, with what the user changed of its method."""
    bare = [word.lstrip("+").replace("'", "") for word in user]
    changes = [word.removeprefix("method.") for word in bare if word.startswith("method.")]
    return f"{name}, {', '.join(changes)}" if changes else name


def _every(table: Mapping[str, Any], scale: str) -> list[str]:
    block = table["smoke"] if scale == "smoke" else table
    return list(block.get("every") or ())


def _folder_of(
    name: str | None,
    data_name: str,
    table: Mapping[str, Any],
    scale: str,
    root: Path,
    user: Sequence[str],
) -> Path | None:
    """The folder of the run of a cell that another one on this data needs."""
    if name is None:
        return None
    home = _home(name, table, root, user)
    data = _data(name, table, scale)
    if table["cells"][name].get("trains") == "each":
        other = _trained_as(data_name, table)
        return home / (other if other in data else data_name)
    if _trains_apart(name, table, scale, home):
        return home / _TRAINING
    return home / next(iter(data))


def _trained_as(data_name: str, table: Mapping[str, Any]) -> str:
    """The data whose training images these are too."""
    return str((table.get("same_training") or {}).get(data_name, data_name))


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
