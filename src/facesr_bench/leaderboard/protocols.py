"""What the package says today of each protocol: its version, what changed, what is trained on.

Read from ``conf/data/*.yaml``, so that a record can be compared with the protocol as it is now.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from facesr_bench.errors import ConfigError

Record = Mapping[str, Any]

_CUT_DOWN = re.compile(r"-\d+(shot)?$")


@dataclass(frozen=True)
class Protocol:
    """A protocol of today.

    Attributes:
        choice: the name after ``+data=``.
        name: in records; ``${...}`` stands for a word the user chooses.
        version: raised whenever the test inputs change on purpose.
        changes: version to what changed with it; 1 is the first.
        training: what is trained on; protocols of the same word train on the same images and test
            each other's weights.
    """

    choice: str
    name: str
    version: int
    changes: Mapping[int, str]
    training: str

    def matches(self, name: str) -> bool:
        """Whether a record's protocol is this one, cut down to some images or not."""
        pattern = re.sub(r"\\\$\\\{[^}]*\\\}", "[^ ]+", re.escape(self.name))
        return re.fullmatch(pattern, bare_name(name)) is not None


def bare_name(name: str) -> str:
    """Without the number of images (``tiny-16``) or of exemplars (``...-1shot``)."""
    return _CUT_DOWN.sub("", _CUT_DOWN.sub("", name))


@cache
def protocols() -> tuple[Protocol, ...]:
    """Those of the package.

    Raises:
        ConfigError: a YAML without a version, or whose changelog does not tell of each.
    """
    folder = files("facesr_bench.conf") / "data"
    names = sorted(
        p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml")
    )
    return tuple(_protocol(name, _merged("data", name)) for name in names)


def find_protocol(name: str) -> Protocol | None:
    """The protocol of today that a record's protocol is a version of, or None."""
    return next((known for known in protocols() if known.matches(name)), None)


def superseded(record: Record) -> str | None:
    """Why a record's numbers are of an older version of its protocol; None where it is current."""
    protocol = record["protocol"]
    today = find_protocol(str(protocol["name"]))
    version = protocol["version"]
    if today is None or not isinstance(version, int) or version >= today.version:
        return None
    since = [today.changes[v] for v in range(max(version, 0) + 1, today.version + 1)]
    return (
        f"made under {bare_name(str(protocol['name']))}@{version}, which is @{today.version} now: "
        f"{'; '.join(since)}"
    )


def training_of(name: str) -> str:
    """The word for what a protocol trains on; the protocol's own name where it says nothing."""
    found = find_protocol(name)
    return bare_name(name) if found is None else found.training


def _protocol(choice: str, content: Mapping[str, Any]) -> Protocol:
    name, version = str(content["name"]), int(content["version"])
    told = content.get("changes") or ({1: "first version"} if version == 1 else {})
    changes = {int(key): str(value) for key, value in told.items()}
    if sorted(changes) != list(range(1, version + 1)):
        raise ConfigError(
            f"conf/data/{choice}.yaml has version {version}, so its changes must tell of versions 1 to "
            f"{version}, but they tell of {', '.join(map(str, sorted(changes))) or 'none'}."
        )
    return Protocol(choice, name, version, changes, str(content.get("training") or name))


def _merged(group: str, name: str) -> dict[str, Any]:
    """A YAML over those in its defaults list that go to the same place."""
    text = (files("facesr_bench.conf") / group / f"{name}.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    below: dict[str, Any] = {}
    for default in content.pop("defaults", []):
        if isinstance(default, str) and default != "_self_":
            below |= _merged(group, default)
        elif isinstance(default, dict):
            for key, value in default.items():
                place, _, package = str(key).lstrip("/").partition("@")
                if package == "_here_":
                    below |= _merged(place, str(value))
    return below | content
