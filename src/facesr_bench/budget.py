"""The budget of a run, counted in images seen, and the phases it is made of.

Lightning counts optimizer steps (a GAN with two optimizers at ``max_steps=8`` stops after four
batches); papers count images, epochs or steps of their own. The harness owns one counter, images of
the global batch, and everything else (schedules, phases, logging, the end) is derived from it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from facesr_bench.errors import ConfigError


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one batch size.

    Attributes:
        name: what the log and progress bar call it ("64px-fade").
        images: how many images it lasts.
        batch_size: images per optimisation step over **all** ranks together, so that a run gives the
            same numbers on one GPU and on eight.
        facts: whatever else the method wants to know of the phase (resolution, learning rate).
    """

    name: str
    images: int
    batch_size: int
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.images < 1 or self.batch_size < 1:
            raise ConfigError(
                f"Phase {self.name!r} needs at least one image and a batch of at least one, but has "
                f"images={self.images}, batch_size={self.batch_size}."
            )


class Budget:
    """Phases in order. Position p is the p-th image the run sees, counted from 0.

    Args:
        phases: at least one.
        short_last_batch: an epoch ends with what is left of its images, a smaller batch, as with a
            PyTorch loader that drops nothing; otherwise batches run on into the next epoch.
        epoch: images of an epoch, once the training split is known (:meth:`of_epochs`).
    """

    def __init__(
        self, phases: Sequence[Phase], short_last_batch: bool = False, epoch: int | None = None
    ) -> None:
        if not phases:
            raise ConfigError("A budget needs at least one phase.")
        self.phases = tuple(phases)
        self.short_last_batch, self._epoch = short_last_batch, epoch
        self.images = sum(phase.images for phase in self.phases)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], images: int | None = None) -> "Budget":
        """Read ``{images, batch_size}`` or ``{phases: [{name, images, batch_size, ...}, ...]}``.

        Either may have ``short_last_batch: true``.

        Args:
            config: the ``budget`` block of a method's YAML, as plain containers.
            images: override of the total; phases shrink or grow in proportion.
        """
        short = config.get("short_last_batch", False)
        if not isinstance(short, bool):
            raise ConfigError(f"method.budget.short_last_batch is true or false, not {short!r}.")
        config = {key: value for key, value in config.items() if key != "short_last_batch"}
        rows = config.get("phases") or [{"name": "train", **config}]
        if isinstance(rows, str) or not all(isinstance(row, Mapping) for row in rows):
            raise ConfigError(
                f"method.budget.phases is a list of {{name, images, batch_size, ...}}, not {rows!r}."
            )
        known = {"name", "images", "batch_size"}
        try:
            phases = [
                Phase(
                    str(row["name"]),
                    whole_number(row["images"], f"images of phase {row['name']!r}"),
                    whole_number(row["batch_size"], f"batch_size of phase {row['name']!r}"),
                    {key: value for key, value in row.items() if key not in known},
                )
                for row in rows
            ]
        except KeyError as error:
            raise ConfigError(f"A phase of method.budget lacks {error}.") from None
        budget = cls(phases, short)
        return budget if images is None else budget.scaled_to(images)

    def scaled_to(self, images: int) -> "Budget":
        """The same phases in the same proportions, ``images`` in all (at least one each)."""
        if images < len(self.phases):
            raise ConfigError(
                f"images={images} cannot be shared by {len(self.phases)} phases; give at least one "
                "image to each."
            )
        ends: list[int] = []
        done = 0
        for left, phase in zip(range(len(self.phases) - 1, -1, -1), self.phases, strict=True):
            done += phase.images
            floor = (ends[-1] if ends else 0) + 1
            ends.append(max(floor, min(round(images * done / self.images), images - left)))
        starts = [0, *ends[:-1]]
        return Budget(
            [
                Phase(p.name, end - start, p.batch_size, p.facts)
                for p, start, end in zip(self.phases, starts, ends, strict=True)
            ],
            self.short_last_batch,
            self._epoch,
        )

    def of_epochs(self, images: int) -> "Budget":
        """The same for a training split of so many images; only a short last batch depends on it."""
        return Budget(self.phases, True, images) if self.short_last_batch else self

    def batch_at(self, position: int) -> int:
        """Images of the step that starts at image number ``position``, over all ranks."""
        batch = self.phase_at(position)[0].batch_size
        if self._epoch is None:
            return batch
        return min(batch, self._epoch - position % self._epoch)

    def batch_sizes(self) -> Iterator[tuple[Phase, int]]:
        """Every size a batch may have, with a phase it occurs in."""
        for phase in self.phases:
            yield phase, phase.batch_size
            if self._epoch is not None and self._epoch % phase.batch_size:
                yield phase, self._epoch % phase.batch_size

    def phase_at(self, position: int) -> tuple[Phase, int]:
        """The phase that image number ``position`` belongs to, and how far into it that is."""
        start = 0
        for phase in self.phases:
            if position < start + phase.images:
                return phase, position - start
            start += phase.images
        last = self.phases[-1]
        return last, position - (self.images - last.images)

    def number_at(self, position: int) -> int:
        """Which of the phases, counted from 1, image number ``position`` belongs to."""
        phase = self.phase_at(position)[0]
        return next(n for n, other in enumerate(self.phases, 1) if other is phase)

    def steps(self) -> Iterator[tuple[Phase, int, int]]:
        """Each phase, the position at which its first step starts, and how many steps it gets.

        A step takes the whole batch of the phase it starts in, so it may reach into the next phase, or
        past it: then that one gets none.
        """
        position = end = 0
        for phase in self.phases:
            end += phase.images
            start = position
            count = 0
            if self._epoch is None:
                count = max(0, -(-(end - position) // phase.batch_size))
                position += count * phase.batch_size
            while position < end:
                position += self.batch_at(position)
                count += 1
            yield phase, start, count

    def step_at(self, images_seen: int) -> int:
        """Steps done by a run that has seen this many images."""
        if self._epoch is not None:
            position = steps = 0
            while position < images_seen:
                position += self.batch_at(position)
                steps += 1
            return steps
        return sum(
            min(count, max(0, -(-(images_seen - start) // phase.batch_size)))
            for phase, start, count in self.steps()
        )

    def finished(self, images_seen: int) -> bool:
        """Whether a run that has seen this many images is at its end."""
        return images_seen >= self.images


def whole_number(value: Any, what: str) -> int:
    """``value`` as int; 1e6, which YAML reads as a float, is one, 2.5 and true are not.

    Raises:
        ConfigError: it is no whole number; ``what`` names it.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
        return int(value)
    raise ConfigError(f"method.budget: {what} must be a whole number, but is {value!r}.")
