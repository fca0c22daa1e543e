"""Which third-party weights are known: one YAML file each in ``conf/weights/``.

No file is ever fetched or opened under a name that is not registered. A plug-in registers its own by
a YAML in ``conf/weights/`` of a folder given with ``--config-dir``, or named in ``FACESR_CONF``.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import unquote, urlsplit

from facesr_bench.errors import ConfigError

Kind = Literal[
    "torch", "safetensors", "npz", "mat", "onnx", "h5", "binary", "ada_pickle", "tf_pickle"
]

UserKind = Literal["metrics", "method", "prior", "command"]

CONF_VARIABLE = "FACESR_CONF"
"""Further configuration folders, separated like a PATH; set from ``--config-dir``."""


@dataclass(frozen=True)
class KnownFile:
    """One file that serves.

    Attributes:
        file: the official file name.
        sha256: the whole hash, its published beginning, or None where none is published: then the
            first import records it.
        git_sha1: what ``git hash-object`` says of it, where a git history is the only publication;
            checked besides.
        shipped: folder within the package, of a file that comes with a plug-in of ours; None for
            what users bring.
    """

    file: str
    sha256: str | None = None
    git_sha1: str | None = None
    shipped: str | None = None


@dataclass(frozen=True)
class Layout:
    """What a file must hold.

    Attributes:
        kind: how it is opened.
        inside: keys to descend into before the tensors come (``["net_state_dict"]``); of NVIDIA's
            pickles the name of the network.
        beside: further tensors next to them, taken along (``["latent_avg"]``).
        count: number of arrays, without ``num_batches_tracked``; None where it may vary.
        shapes: some arrays that must be there, with their shape.
    """

    kind: Kind
    inside: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    count: int | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Use:
    """One thing that needs weights, in words a user types.

    Attributes:
        kind: of what: a YAML of ``conf/measure``, ``conf/method`` or ``conf/prior``, or a sub-command.
        name: which.
        role: what it does with them, where that is not plain.
        when: the argument without which it does not need them (``model=topiq_nr-face-v1``).
    """

    kind: UserKind
    name: str
    role: str | None = None
    when: str | None = None

    def __str__(self) -> str:
        """As in ``propulse (identity loss)``."""
        condition = f" with {self.when}" if self.when else ""
        return f"{self.name}{condition}" + (f" ({self.role})" if self.role else "")


@dataclass(frozen=True)
class Entry:
    """One set of weights.

    Attributes:
        name: what metrics and methods ask for.
        what: one line.
        files: any one of them serves, the first that is there; in order of preference.
        layout: shared by all of them.
        url: where a person gets it; when it ends in the name of one of the files, a program can, too.
        licence: of the file.
        size_mb: of the first file.
        needed_by: what asks for it; empty where nothing here does.
    """

    name: str
    what: str
    files: tuple[KnownFile, ...]
    layout: Layout
    url: str
    licence: str
    size_mb: float
    needed_by: tuple[Use, ...] = ()

    @property
    def users(self) -> list[str]:
        """What needs it, a line for each kind: ``metrics: lpips_squeeze, fd_squeezenet``."""
        kinds = dict.fromkeys(use.kind for use in self.needed_by)
        return [
            f"{kind}: {', '.join(str(use) for use in self.needed_by if use.kind == kind)}"
            for kind in kinds
        ]

    @property
    def on_drive(self) -> bool:
        """Whether it lies on Google Drive, which answers programs with a page for people."""
        return urlsplit(self.url).hostname in ("drive.google.com", "docs.google.com")

    @property
    def direct(self) -> KnownFile | None:
        """The file the address leads to, or None when it leads to a page."""
        if not re.fullmatch(r"https?://\S+", self.url):
            return None
        last = unquote(urlsplit(self.url).path).rpartition("/")[2]
        return next((known for known in self.files if known.file == last), None)


def registry() -> dict[str, Entry]:
    """Every known entry by name; a user's folder may replace one of ours.

    Raises:
        ConfigError: a YAML file that is no entry.
    """
    return _registry(os.environ.get(CONF_VARIABLE, ""))


@cache
def _registry(further: str) -> dict[str, Entry]:
    roots = [_own_conf(), *(Path(p) for p in further.split(os.pathsep) if p)]
    entries = {}
    for root in roots:
        for path in sorted((root / "weights").glob("*.yaml")):
            entry = _read(path)
            entries[entry.name] = entry
    return entries


def entry(name: str) -> Entry:
    """One entry.

    Raises:
        ConfigError: there is none of this name.
    """
    known = registry()
    if name not in known:
        raise ConfigError(
            f"There are no weights called {name!r}; known are {', '.join(sorted(known))}."
        )
    return known[name]


def _own_conf() -> Path:
    from importlib.resources import files

    return Path(str(files("facesr_bench.conf")))


def _read(path: Path) -> Entry:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _entry(path.stem, content)
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{path} is not an entry of the weights registry ({type(error).__name__}: {error}); see "
            "the files in conf/weights/ for the form."
        ) from error


def _entry(name: str, content: Mapping[str, Any]) -> Entry:
    layout = content["layout"]
    shapes: Mapping[str, Sequence[int]] = layout.get("shapes", {})
    return Entry(
        name=name,
        what=str(content["what"]),
        files=tuple(
            KnownFile(
                str(item["file"]),
                _text(item.get("sha256")),
                _text(item.get("git_sha1")),
                _text(item.get("shipped")),
            )
            for item in content["files"]
        ),
        layout=Layout(
            kind=layout["kind"],
            inside=tuple(layout.get("inside", ())),
            beside=tuple(layout.get("beside", ())),
            count=layout.get("count"),
            shapes={key: tuple(shape) for key, shape in shapes.items()},
        ),
        url=str(content["url"]),
        licence=str(content["licence"]),
        size_mb=float(content["size_mb"]),
        needed_by=tuple(_use(item) for item in content.get("needed_by") or ()),
    )


def _use(item: Mapping[str, Any]) -> Use:
    """``{method: propulse, for: identity loss}``; ``when`` names the argument it depends on."""
    kinds = [kind for kind in get_args(UserKind) if kind in item]
    unknown = set(item) - {*kinds, "for", "when"}
    if len(kinds) != 1 or unknown:
        raise ValueError(
            f"needed_by holds {dict(item)}; each item has one of {', '.join(get_args(UserKind))}, and "
            "at most for and when"
        )
    (kind,) = kinds
    return Use(kind, str(item[kind]), _text(item.get("for")), _text(item.get("when")))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
