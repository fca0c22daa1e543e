"""What a band is made of: a small training, what is watched of it, the faults it must notice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facesr_bench.errors import ConfigError


@dataclass(frozen=True)
class Statistic:
    """One line of a curve, and how far it may move.

    Attributes:
        name: as :class:`~facesr_bench.bands.watching.Watch` calls it, e.g. "error", "loss.pix_S".
        floor: half width that a band has at least; in natural logarithms if ``log``.
        log: judged by its logarithm, so that a band is a share and not a number.
        lower_is_better: a value below the band is then suspiciously fast, one above it slow.
    """

    name: str
    floor: float
    log: bool = True
    lower_is_better: bool = False


@dataclass(frozen=True)
class Plan:
    """A small training that is traced again and again.

    Attributes:
        method: name of its YAML in ``conf/method``.
        words: overrides that make it small; networks are those of ``scale=smoke``.
        images: budget.
        points: how many values a curve has, evenly spaced in images seen.
        seeds: of the recorded curves.
        average: names of the trained network and of its average, for ``average_gap``.
        statistics: what is judged.
        faults: overrides by name; each must leave the band, or the band is blind.
    """

    method: str
    words: tuple[str, ...]
    images: int
    points: int
    seeds: tuple[int, ...]
    statistics: tuple[Statistic, ...]
    average: tuple[str, str] | None = None
    faults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def training(self) -> dict[str, Any]:
        """What a recorded curve is only comparable under."""
        return {"words": list(self.words), "images": self.images, "points": self.points}


def read_plan(path: Path) -> Plan:
    """The plan of ``docs/bands/METHOD.yaml``.

    Raises:
        ConfigError: it is not there, or lacks something.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        statistics = tuple(Statistic(name, **rule) for name, rule in content["statistics"].items())
        average = content.get("average")
        plan = Plan(
            path.stem,
            _words(content["words"]),
            int(content["images"]),
            int(content["points"]),
            tuple(int(seed) for seed in content["seeds"]),
            statistics,
            None if average is None else (average[0], average[1]),
            {name: _words(words) for name, words in content.get("faults", {}).items()},
        )
    except FileNotFoundError:
        raise ConfigError(f"There is no convergence band {path}.") from None
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise ConfigError(f"{path} is no plan of a convergence band: {error!r}.") from error
    if len(plan.seeds) < 2 or not plan.statistics:
        raise ConfigError(f"{path}: a band needs at least two seeds and one statistic.")
    return plan


def _words(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(word) for word in words)
