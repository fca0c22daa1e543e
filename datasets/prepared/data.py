"""The data set of every protocol on real data: splits chosen from prepared folders."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facesr_bench.data import FaceData, FaceDataset, Role
from facesr_bench.errors import ConfigError, DataError

from .selection import Selection, read_selection
from .split import PreparedSplit
from .store import Store, Wanted

Choice = Mapping[str, Any]
MEASURED: tuple[Role, ...] = ("val", "test")


class Prepared(FaceData):
    """What ``facesr-bench prepare`` wrote, as the splits of a protocol.

    Each of ``train``, ``train_lr``, ``val`` and ``test`` is None (there is no such split) or a
    mapping with any of: ``split`` (list of the owner's splits; null for all; by default the one of the
    same name, train for train_lr), ``role`` (hr or lr; by default lr for train_lr, else hr), ``keys``
    (a file that lists keys), ``domains``, ``exclude_attributes``, ``limit``, ``border`` (see
    :class:`.selection.Selection`), and ``root``, ``recipe``, ``size``, ``arguments`` where it comes
    from another prepared folder than the rest.

    Args:
        root: the prepared folder; None: ``<recipe>-<size>`` in ``FACESR_DATA`` or ``data/``.
        recipe: what it must have been prepared with; also names the command that prepares it.
        size: side it must have been prepared at.
        arguments: of the recipe, those that must have had these values.
        train: HR (or LR alone) to train on.
        train_lr: unpaired LR to train on.
        val: what is looked at during training.
        test: what is measured.
        limit: keep at most so many images of every split: an honest subset, whose protocol hash
            differs. Which ones follows from their keys alone.

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
        train: Choice | None = None,
        train_lr: Choice | None = None,
        val: Choice | None = None,
        test: Choice | None = None,
        limit: int | None = None,
    ) -> None:
        common = {
            "root": root,
            "recipe": recipe,
            "size": size,
            "arguments": arguments,
            "limit": limit,
        }
        choices: dict[Role, Choice | None] = {
            "train": train,
            "train_lr": train_lr,
            "val": val,
            "test": test,
        }
        self._selections: dict[Role, Selection] = {
            role: read_selection(role, content, common)
            for role, content in choices.items()
            if content is not None
        }
        if not self._selections:
            raise ConfigError(
                "A prepared data set needs at least one of train, train_lr, val, test."
            )
        self._stores: dict[str, Store] = {}
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
            rows = selection.rows(store)
            found = PreparedSplit(store, rows, selection.role, selection.border)
            self._check_apart(role, found.keys)
            self._splits[role] = found
        return self._splits[role]

    def _store(self, wanted: Wanted) -> Store:
        # Two selections may want different things of one folder, so each is checked on its own.
        name = f"{wanted.folder.resolve()} {wanted.recipe} {wanted.size} {wanted.arguments}"
        if name not in self._stores:
            self._stores[name] = Store(wanted)
        return self._stores[name]

    def _check_apart(self, role: Role, keys: Sequence[str]) -> None:
        """Refuse to train on what is measured, as far as one folder can tell."""
        folder = self._selections[role].wanted.folder.resolve()
        for other, selection in self._selections.items():
            crossed = (other in MEASURED) != (role in MEASURED)
            if not crossed or selection.wanted.folder.resolve() != folder:
                continue
            store = self._store(selection.wanted)
            shared = sorted({store.keys[row] for row in selection.rows(store)} & set(keys))
            if shared:
                raise DataError(
                    f"{len(shared):,} images are both in {role} and in {other}, the first is "
                    f"{shared[0]}: what is measured may not be trained on. Change split, keys or "
                    "domains of one of the two."
                )
