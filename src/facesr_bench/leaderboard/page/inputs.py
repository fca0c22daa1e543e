"""HR and LR of the test images, which runs do not hold: rebuilt from what a record says, and checked.

A record may come from somebody else, and its configuration names Python classes. So nothing outside of
the package's data sets and degradations is ever built from one, and what was built is used only if its
hash is that of the record.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from facesr_bench.errors import DataError, FaceSRError, first_line
from facesr_bench.image_attributes import ImageAttributes
from facesr_bench.images import UInt8Image, read_rgb
from facesr_bench.leaderboard.page.runs import Run

log = logging.getLogger(__name__)

_BUILT = ("facesr_bench.datamodule.", "facesr_bench.datasets.", "facesr_bench.degradations.")
"""What a configuration may name; anything else could be any function of any module."""


class Inputs(Protocol):
    """The test images by key; None for what the set does not have."""

    @property
    def facts(self) -> ImageAttributes:
        """Attributes and domains, as far as the data set knows them."""
        ...

    def hr(self, key: str) -> UInt8Image | None:
        """Ground truth of an image."""
        ...

    def lr(self, key: str) -> UInt8Image | None:
        """What the methods were given."""
        ...


@dataclass(frozen=True)
class NoInputs:
    """Nothing to show beside the SR images.

    Attributes:
        reason: a sentence for the page.
    """

    reason: str
    facts: ImageAttributes = field(default_factory=ImageAttributes)

    def hr(self, key: str) -> UInt8Image | None:
        """Always None."""
        return None

    def lr(self, key: str) -> UInt8Image | None:
        """Always None."""
        return None


class _OfProtocol:
    """A test set made again by its data module."""

    def __init__(self, test_set: Any) -> None:
        self._set = test_set
        self._position = {key: position for position, key in enumerate(test_set.keys)}
        domains = dict(zip(test_set.keys, test_set.domains, strict=True))
        attributes: dict[str, dict[str, float]] = {}
        for key, known in zip(test_set.keys, test_set.attributes, strict=True):
            for name, value in known.items():
                attributes.setdefault(name, {})[key] = float(value)
        self.facts = ImageAttributes({k: str(d) for k, d in domains.items() if d}, attributes)

    def hr(self, key: str) -> UInt8Image | None:
        image: UInt8Image | None = self._set.sample(self._position[key]).hr
        return image

    def lr(self, key: str) -> UInt8Image | None:
        image: UInt8Image = self._set.lr[self._position[key]]
        return image


@dataclass(frozen=True)
class _OfFolders:
    """Folders that ``facesr-bench evaluate`` scored."""

    hr_files: Mapping[str, Path | None]
    lr_files: Mapping[str, Path | None]
    facts: ImageAttributes = field(default_factory=ImageAttributes)

    def hr(self, key: str) -> UInt8Image | None:
        return _read(self.hr_files.get(key))

    def lr(self, key: str) -> UInt8Image | None:
        return _read(self.lr_files.get(key))


def _read(path: Path | None) -> UInt8Image | None:
    return None if path is None else read_rgb(path)


def find_inputs(runs: Sequence[Run]) -> Inputs:
    """The HR and LR images that these runs share; every run is tried until one leads to them."""
    reasons: dict[str, None] = {}
    for run in runs:
        try:
            return _rebuild(run)
        except FaceSRError as error:
            reasons[first_line(error)] = None
        except Exception as error:  # a data set of today meets settings of yesterday
            log.debug("No test images from %s.", run.folder, exc_info=error)
            reasons[f"{type(error).__name__}: {first_line(error)}"] = None
    said = next(iter(reasons), "No run says what it was tested on.")
    return NoInputs(f"HR and LR images are not at hand here, so only SR is shown. {said}")


def _rebuild(run: Run) -> Inputs:
    config = run.record.get("config") or {}
    then = str(run.record["protocol"]["hash"])
    if config.get("command") == "evaluate":
        return _from_folders(config, then)
    settings = config.get("data")
    if not isinstance(settings, dict):
        raise DataError("The record does not say what the data was.")
    _refuse_foreign_code(settings)
    from facesr_bench.config import build_data

    test_set = build_data(settings).test_set
    if test_set.hash != then:
        raise DataError(
            f"The test set made here has the protocol hash {test_set.hash[:12]}, the runs say "
            f"{then[:12]}: other images, which are not shown in their place."
        )
    return _OfProtocol(test_set)


def _refuse_foreign_code(settings: Mapping[str, Any]) -> None:
    """Stop before anything is imported that is not one of the package's own data sets.

    Raises:
        DataError: naming what the record asks for.
    """
    foreign = [name for name in _targets(settings) if not name.startswith(_BUILT)]
    if foreign:
        raise DataError(
            f"The record builds its data with {foreign[0]}, which is not part of facesr-bench, and a "
            "page runs no code that a record names."
        )


def _targets(value: object) -> list[str]:
    """Every ``_target_`` below a value."""
    if isinstance(value, dict):
        own = [str(value["_target_"])] if "_target_" in value else []
        return own + [name for part in value.values() for name in _targets(part)]
    if isinstance(value, list):
        return [name for part in value for name in _targets(part)]
    return []


def _from_folders(config: Mapping[str, Any], then: str) -> Inputs:
    from facesr_bench.evaluate.annotations import Annotations
    from facesr_bench.evaluate.image_set import check_images, find_pairs

    sides = {side: Path(config[side]) if config.get(side) else None for side in ("sr", "hr", "lr")}
    sr = sides["sr"]
    if sr is None or (sides["hr"] is None and sides["lr"] is None):
        raise DataError("The images were scored without HR and LR.")
    pairs = find_pairs(sr, sides["hr"], sides["lr"])
    if check_images(pairs, config.get("factor"), Annotations()).protocol_hash != then:
        raise DataError("The folders that were scored hold other images now.")
    return _OfFolders({pair.key: pair.hr for pair in pairs}, {pair.key: pair.lr for pair in pairs})
