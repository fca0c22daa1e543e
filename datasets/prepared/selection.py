"""Which images of a prepared folder a split of a protocol holds."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facesr_bench.data import Role
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.key_lists import list_file, read_list

from .store import Store
from .wanted import Wanted

log = logging.getLogger(__name__)

_PARTLY = (
    "To go on with what is there: data.allow_incomplete=true, or data.limit=N; the results then "
    "compare with no others."
)


@dataclass(frozen=True)
class Selection:
    """The rules of one split; an image must pass all of them.

    Attributes:
        wanted: the folder.
        split: the owner's splits; None takes all.
        role: "hr" or "lr".
        keys: a file with one key a line ("#" starts a comment): one of ``datasets/lists``, or a path.
            All of them must be there, unless ``partly``.
        domains: taken; None takes all.
        exclude_attributes: attribute to a value, or list of values, that leaves an image out.
        limit: how many are kept at most: the first by sha256 of "2020|limit|key".
        border: whether samples carry the image with its border.
        count: how many images the protocol has, before ``limit``; None where nobody says.
        allow_incomplete: go on with fewer than ``count``, or than ``keys`` lists.
        pool: HR is the means of blocks of so many pixels; the whole image comes along as the border
            image, for degradations that reduce it in one step.
    """

    wanted: Wanted
    split: Sequence[str] | None
    role: Literal["hr", "lr"]
    keys: str | None = None
    domains: Sequence[str] | None = None
    exclude_attributes: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    border: bool = False
    count: int | None = None
    allow_incomplete: bool = False
    pool: int = 1

    @property
    def partly(self) -> bool:
        """Whether fewer images than the protocol's will do: results then compare with no others."""
        return self.allow_incomplete or self.limit is not None

    def rows(self, store: Store) -> NDArray[np.int64]:
        """Rows of the manifest, ascending, so that keys come in their order.

        Raises:
            DataError: no image is left, a listed key is not there, or there are not as many images as
                the protocol has.
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
            raise DataError(f"{store.layout.root} holds no image that is {self}; {store.holds}.")
        self._check_count(store, len(rows))
        if self.limit is not None and len(rows) > self.limit:
            order = sorted(rows.tolist(), key=lambda row: _rank(store.keys[row]))
            rows = np.array(sorted(order[: self.limit]), dtype=np.int64)
        return rows.astype(np.int64)

    def _listed(self, store: Store, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        path = list_file(str(self.keys))
        listed = read_list(path)
        mask = np.array([key in listed for key in store.keys])
        lost = listed - {store.keys[row] for row in np.flatnonzero(mask & chosen)}
        if lost and self.partly:
            log.warning(
                "%s lacks %d of the %d keys of %s; going on with the others.",
                store.layout.root, len(lost), len(listed), path.name,
            )  # fmt: skip
        elif lost:
            raise DataError(
                f"{len(lost):,} of the {len(listed):,} keys of {path.name} are not among the images of "
                f"{store.layout.root} that are {self}: {', '.join(sorted(lost)[:3])}"
                f"{' ...' if len(lost) > 3 else ''}. Was the whole data set prepared? {store.holds}. "
                f"{_PARTLY}"
            )
        return mask

    def _check_count(self, store: Store, found: int) -> None:
        if self.count is None or found == self.count:
            return
        said = (
            f"{found:,} images of {store.layout.root} are {self}, but this protocol has "
            f"{self.count:,} of them"
        )
        # More than there should be is no subset: it is another choice, and no switch makes it right.
        if found > self.count:
            raise DataError(f"{said}. Choose fewer by split, keys or domains, or give their count.")
        if not self.partly:
            raise DataError(f"{said}. Prepare the whole data set. {_PARTLY}")
        log.warning("%s; going on with what is there.", said)

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
        common: what is said for the whole data set, used where the mapping has nothing of its own. A
            mapping with a recipe or root of its own takes only limit and allow_incomplete.

    Raises:
        ConfigError: an entry that does not exist, or of the wrong kind.
    """
    place = ("root", "recipe", "size", "arguments", "operator")
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
    partial = bool(content.get("allow_incomplete", common.get("allow_incomplete", False)))
    # Through JSON, as prepared.json went: a tuple of Python becomes the list it is compared with.
    arguments = json.loads(json.dumps(dict(where["arguments"] or {}), default=str))
    if partial:
        # Of recipes that draw: whether they drew from files with gaps, which is what is allowed here.
        arguments.pop("allow_incomplete", None)
    wanted = Wanted(
        None if where["root"] is None else Path(where["root"]).expanduser(),
        where["recipe"],
        where["size"],
        arguments,
        where["operator"],
    )
    kind = content.get("role", "lr" if role == "train_lr" else "hr")
    if kind not in {"hr", "lr"}:
        raise ConfigError(f"data.source.{role}.role={kind} is not one of hr, lr.")
    pool = _number(role, "pool", content.get("pool")) or 1
    if pool > 1 and (kind == "lr" or content.get("border")):
        raise ConfigError(
            f"data.source.{role}.pool is for HR images without a border of their own."
        )
    limit = _number(role, "limit", content.get("limit", common.get("limit")))
    usual = "train" if role in ("train_lr", "exemplar") else role
    return Selection(
        wanted,
        _texts(role, "split", content.get("split", [usual])),
        kind,
        content.get("keys"),
        _texts(role, "domains", content.get("domains")),
        dict(content.get("exclude_attributes") or {}),
        limit,
        bool(content.get("border", False)),
        _number(role, "count", content.get("count")),
        partial,
        pool,
    )


def _rank(key: str) -> str:
    return hashlib.sha256(f"2020|limit|{key}".encode()).hexdigest()


def _number(role: Role, name: str, value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ConfigError(
            f"The {name} of {role} must be a whole number of at least 1, not {value!r}."
        )
    return value


def _texts(role: Role, name: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise ConfigError(f"data.source.{role}.{name} must be a list or null, not {value!r}.")
    return tuple(str(item) for item in value)
