"""Which images of a prepared folder a split of a protocol holds."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facesr_bench.data import Role
from facesr_bench.errors import ConfigError, DataError

from .store import Store, Wanted

LISTS = Path(__file__).resolve().parents[1] / "lists"
"""Lists of keys that ship with the project: splits that were drawn once."""


@dataclass(frozen=True)
class Selection:
    """The rules of one split; an image must pass all of them.

    Attributes:
        wanted: the folder.
        split: the owner's splits; None takes all.
        role: "hr" or "lr".
        keys: a file with one key a line ("#" starts a comment): one of ``datasets/lists``, or a path.
            All of them must be there.
        domains: taken; None takes all.
        exclude_attributes: attribute to a value, or list of values, that leaves an image out.
        limit: how many are kept at most: the first by sha256 of "2020|limit|key".
        border: whether samples carry the image with its border.
    """

    wanted: Wanted
    split: Sequence[str] | None
    role: Literal["hr", "lr"]
    keys: str | None = None
    domains: Sequence[str] | None = None
    exclude_attributes: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    border: bool = False

    def rows(self, store: Store) -> NDArray[np.int64]:
        """Rows of the manifest, ascending, so that keys come in their order.

        Raises:
            DataError: no image is left, or a listed key is not there.
        """
        chosen = store.role == self.role
        if self.split is not None:
            chosen &= np.isin(store.split, self.split)
        if self.domains is not None:
            chosen &= np.isin(np.array([str(domain) for domain in store.domain]), self.domains)
        for name, values in self.exclude_attributes.items():
            if name not in store.names:
                raise DataError(
                    f"{store.layout.root} knows no attribute {name!r} to leave images out by. It "
                    f"knows: {', '.join(store.names) or 'none'}."
                )
            several = values if isinstance(values, Sequence) else [values]
            column = store.attributes[:, store.names.index(name)]
            chosen &= ~np.isin(column, np.array(several, dtype=np.float32))
        if self.keys is not None:
            chosen &= self._listed(store, chosen)
        rows = np.flatnonzero(chosen)
        if not len(rows):
            raise DataError(f"{store.layout.root} holds no image that is {self}; {_holds(store)}.")
        if self.limit is not None and len(rows) > self.limit:
            order = sorted(rows.tolist(), key=lambda row: _rank(store.keys[row]))
            rows = np.array(sorted(order[: self.limit]), dtype=np.int64)
        return rows.astype(np.int64)

    def _listed(self, store: Store, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        path = list_file(str(self.keys))
        listed = read_list(path)
        mask = np.array([key in listed for key in store.keys])
        lost = listed - {store.keys[row] for row in np.flatnonzero(mask & chosen)}
        if lost:
            raise DataError(
                f"{len(lost):,} of the {len(listed):,} keys of {path.name} are not among the images of "
                f"{store.layout.root} that are {self}: {', '.join(sorted(lost)[:3])}"
                f"{' ...' if len(lost) > 3 else ''}. Was the whole data set prepared? {_holds(store)}."
            )
        return mask

    def __str__(self) -> str:
        parts = [self.role.upper()]
        if self.split is not None:
            parts.append(f"in split {' or '.join(self.split)}")
        if self.domains is not None:
            parts.append(f"of domain {' or '.join(self.domains)}")
        if self.exclude_attributes:
            parts.append(f"without {', '.join(self.exclude_attributes)}")
        return " ".join(parts)


def read_selection(role: Role, content: Mapping[str, Any], common: Mapping[str, Any]) -> Selection:
    """One split as a YAML writes it.

    Args:
        role: of the split; also decides what is taken where the YAML does not say.
        content: the mapping.
        common: root, recipe, size, arguments and limit of the whole data set, used where the mapping
            has none of its own. A mapping with a recipe or root of its own takes none of them but
            the limit.

    Raises:
        ConfigError: an entry that does not exist, or of the wrong kind.
    """
    place = ("root", "recipe", "size", "arguments")
    known = {f.name for f in fields(Selection)} - {"wanted"} | set(place)
    unknown = sorted(content.keys() - known)
    if unknown:
        raise ConfigError(
            f"data.source.{role} has no entry {unknown[0]!r}; it takes {', '.join(sorted(known))}."
        )
    own = "root" in content or "recipe" in content
    where = {name: (content if own else {**common, **content}).get(name) for name in place}
    if where["root"] is None and (where["recipe"] is None or where["size"] is None):
        raise ConfigError(
            f"data.source.{role} needs root, or recipe and size, to say which prepared folder it is."
        )
    wanted = Wanted(
        None if where["root"] is None else Path(where["root"]).expanduser(),
        where["recipe"],
        where["size"],
        dict(where["arguments"] or {}),
    )
    kind = content.get("role", "lr" if role == "train_lr" else "hr")
    if kind not in {"hr", "lr"}:
        raise ConfigError(f"data.source.{role}.role={kind} is not one of hr, lr.")
    limit = content.get("limit", common.get("limit"))
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ConfigError(
            f"The limit of {role} must be a whole number of at least 1, not {limit!r}."
        )
    return Selection(
        wanted,
        _texts(role, "split", content.get("split", ["train" if role == "train_lr" else role])),
        kind,
        content.get("keys"),
        _texts(role, "domains", content.get("domains")),
        dict(content.get("exclude_attributes") or {}),
        limit,
        bool(content.get("border", False)),
    )


def list_file(name: str) -> Path:
    """A shipped list by its name, or a path.

    Raises:
        DataError: there is neither.
    """
    shipped, own = LISTS / name, Path(name).expanduser()
    if own.name == name and shipped.is_file():
        return shipped
    if own.is_file():
        return own
    names = ", ".join(sorted(path.name for path in LISTS.glob("*.txt"))) or "none"
    raise DataError(f"There is no list of keys {name}: no such file, nor one that ships ({names}).")


def read_list(path: Path) -> set[str]:
    """The keys of a list.

    Raises:
        DataError: it is empty or names a key twice.
    """
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise DataError(f"{path} names no key.")
    if len(set(keys)) < len(keys):
        twice = next(a for a, b in zip(sorted(keys), sorted(keys)[1:], strict=False) if a == b)
        raise DataError(f"{path} names the key {twice!r} twice.")
    return set(keys)


def _rank(key: str) -> str:
    return hashlib.sha256(f"2020|limit|{key}".encode()).hexdigest()


def _texts(role: Role, name: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise ConfigError(f"data.source.{role}.{name} must be a list or null, not {value!r}.")
    return tuple(str(item) for item in value)


def _holds(store: Store) -> str:
    splits = store.facts["counts"]["splits"]
    counts = [
        f"{n:,} {kind.upper()} in {name}" for name, of in splits.items() for kind, n in of.items()
    ]
    return f"it holds {', '.join(counts)}"
