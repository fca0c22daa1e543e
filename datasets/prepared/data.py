"""The data set of every protocol on real data: splits chosen from prepared folders."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.data import FaceData, FaceDataset, Role
from facesr_bench.errors import ConfigError, DataError

from .selection import Selection, read_selection
from .split import PreparedSplit
from .store import Store
from .wanted import Wanted

Choice = Mapping[str, Any]
MEASURED: tuple[Role, ...] = ("val", "test")


class Prepared(FaceData):
    """What ``facesr-bench prepare`` wrote, as the splits of a protocol.

    Each of ``train``, ``train_lr``, ``val``, ``test`` and ``exemplar`` is None (there is no such split)
    or a mapping with any of: ``split`` (list of the owner's splits; null for all; by default the one of
    the same name, train for train_lr and exemplar), ``role`` (hr or lr; by default lr for train_lr,
    else hr), ``keys`` (a file that lists keys), ``domains``, ``exclude_attributes``, ``count``,
    ``limit``, ``border``, ``pool`` (see :class:`.selection.Selection`), and ``root``, ``recipe``,
    ``size``, ``arguments``, ``operator`` where it comes from another prepared folder than the rest.

    Args:
        root: the prepared folder; None: ``<recipe>-<size>`` in ``FACESR_DATA`` or ``data/``.
        recipe: what it must have been prepared with; also names the command that prepares it.
        size: side it must have been prepared at.
        arguments: of the recipe, those that must have had these values.
        operator: what must have resized the images.
        train: HR (or LR alone) to train on.
        train_lr: unpaired LR to train on.
        val: what is looked at during training.
        test: what is measured.
        exemplar: what a method that adapts may see of the domain it is tested on.
        limit: keep at most so many images of every split: an honest subset, whose protocol hash
            differs. Which ones follows from their keys alone.
        allow_incomplete: go on where images of the protocol are missing.

    Raises:
        ConfigError: an entry that does not exist, or nothing chosen at all.
    """

    name = "prepared"

    def __init__(
        self,
        root: str | Path | None = None,
        *,
        recipe: str | None = None,
        size: int | None = None,
        arguments: Mapping[str, Any] | None = None,
        operator: str | None = None,
        train: Choice | None = None,
        train_lr: Choice | None = None,
        val: Choice | None = None,
        test: Choice | None = None,
        exemplar: Choice | None = None,
        limit: int | None = None,
        allow_incomplete: bool = False,
    ) -> None:
        common = {
            "root": root,
            "recipe": recipe,
            "size": size,
            "arguments": arguments,
            "operator": operator,
            "limit": limit,
            "allow_incomplete": allow_incomplete,
        }
        choices: dict[Role, Choice | None] = {
            "train": train,
            "train_lr": train_lr,
            "val": val,
            "test": test,
            "exemplar": exemplar,
        }
        self._selections: dict[Role, Selection] = {
            role: read_selection(role, content, common)
            for role, content in choices.items()
            if content is not None
        }
        if not self._selections:
            raise ConfigError(
                "A prepared data set needs at least one of train, train_lr, val, test, exemplar."
            )
        self._stores: dict[str, Store] = {}
        self._rows: dict[Role, NDArray[np.int64]] = {}
        self._splits: dict[Role, PreparedSplit] = {}

    def split(self, role: Role) -> FaceDataset | None:
        """Open one split.

        Raises:
            DataError: its folder is missing or damaged, no image is left, or an image to train on is
                also measured.
        """
        selection = self._selections.get(role)
        if selection is None:
            return None
        if role not in self._splits:
            store = self._store(selection.wanted)
            rows = self._chosen(role)
            found = PreparedSplit(store, rows, selection.role, selection.border, selection.pool)
            self._check_apart(role, found.keys)
            self._splits[role] = found
        return self._splits[role]

    def origin(self, role: Role) -> str:
        """The recipe: whatever protocol reads an owner's images, their keys are the owner's."""
        selection = self._selections.get(role)
        recipe = None if selection is None else selection.wanted.recipe
        return recipe or type(self).__name__

    def provenance(self) -> list[dict[str, Any]]:
        """Each folder opened so far: how it was prepared, and how many images of it a split has."""
        found: dict[Path, dict[str, Any]] = {}
        for role, split in self._splits.items():
            store = self._store(self._selections[role].wanted)
            entry = found.setdefault(
                store.layout.root.resolve(), {**store.provenance(), "images": {}}
            )
            entry["images"][role] = len(split)
        return list(found.values())

    def _store(self, wanted: Wanted) -> Store:
        # Two selections may want different things of one folder, so each is checked on its own.
        name = f"{wanted.folder.resolve()} {wanted}"
        if name not in self._stores:
            self._stores[name] = Store(wanted)
        return self._stores[name]

    def _chosen(self, role: Role) -> NDArray[np.int64]:
        # Once for each split, as what is missing there goes into the log.
        if role not in self._rows:
            selection = self._selections[role]
            self._rows[role] = selection.rows(self._store(selection.wanted))
        return self._rows[role]

    def _check_apart(self, role: Role, keys: Sequence[str]) -> None:
        """Refuse to train on what is measured, as far as one folder can tell."""
        folder = self._selections[role].wanted.folder.resolve()
        for other, selection in self._selections.items():
            crossed = (other in MEASURED) != (role in MEASURED)
            if not crossed or selection.wanted.folder.resolve() != folder:
                continue
            store = self._store(selection.wanted)
            shared = sorted({store.keys[row] for row in self._chosen(other)} & set(keys))
            if shared:
                raise DataError(
                    f"{len(shared):,} images are both in {role} and in {other}, the first is "
                    f"{shared[0]}: what is measured may not be trained on. Change split, keys or "
                    "domains of one of the two."
                )
