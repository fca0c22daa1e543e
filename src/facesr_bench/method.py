"""The contract of a method: a LightningModule that turns LR faces into SR faces.

A method says *how*; the harness says what, how long, on what and how well. So a method holds no
metric code and never sees the configuration: its arguments are plain typed values, its facts are
class attributes that the harness reads instead of guessing.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypedDict

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from facesr_bench.budget import Budget
from facesr_bench.errors import ConfigError
from facesr_bench.halving import Halving
from facesr_bench.images import check_image
from facesr_bench.seeding import torch_rng


class Batch(TypedDict):
    """What ``training_step`` receives: float32 (B, 3, H, W) in [0, 1], RGB, on the method's device.

    ``hr`` and ``lr`` belong together for methods with ``pairing = "paired"``; for "unpaired" ones
    they are independent draws, for "hr" ones there is no ``lr``.
    """

    hr: Tensor
    lr: Tensor


@dataclass(frozen=True)
class TrainingContext:
    """What the harness tells a method before training starts.

    Attributes:
        seed: the run's seed.
        budget: how many images in which phases.
        train_images: number of HR images in the training split: one epoch of the papers.
        training_data: name, version and seed of what is trained on, for the record.
        rank: this process, from 0.
        world_size: number of processes.
    """

    seed: int
    budget: Budget
    train_images: int
    training_data: Mapping[str, Any] = field(default_factory=dict)
    rank: int = 0
    world_size: int = 1

    def share(self, rows: Tensor) -> Tensor:
        """This process's rows of something drawn for the whole batch: every ``world_size``-th.

        As :class:`~facesr_bench.stream.StreamSampler` shares images, and for the same reason.
        """
        return rows[self.rank :: self.world_size]


class Method(pl.LightningModule, ABC):
    """Base of every method.

    Subclasses give ``super_resolve`` and, if they train, ``training_step(batch, batch_idx)`` and
    ``configure_optimizers``. Methods with several optimizers set ``automatic_optimization = False``;
    learning-rate schedules follow ``self.images_seen``, not Lightning's step or epoch.
    """

    paper: ClassVar[str]
    """Authors, title, venue, year; shown in tables."""
    reference: ClassVar[str] = ""
    """Official code and commit the implementation was compared with."""
    trainable: ClassVar[bool] = True
    pairing: ClassVar[Literal["paired", "unpaired", "hr"]] = "paired"
    """"unpaired": ``lr`` of a training batch is drawn independently of ``hr``; "hr": there is none."""
    restores: ClassVar[bool] = True
    """Whether it super-resolves. A prior does not: it can be trained, and has no test stage."""
    bf16_safe: ClassVar[bool] = False
    """Whether training under bf16 autocast is known to give the same quality."""
    exportable: ClassVar[bool] = True
    """Whether ``super_resolve`` is one fixed graph, so that a trace of it makes the same images."""
    no_export: ClassVar[str] = ""
    """Why it is none, for who asks for ``stage=export``."""
    rank_dependent: ClassVar[str] = ""
    """Why losses depend on how a batch is shared by processes ("the critic compares groups"), or ""."""
    needs_weights: ClassVar[tuple[str, ...]] = ()
    """Names in the weights registry without which the method cannot run."""
    loss_networks: ClassVar[tuple[str, ...]] = ()
    """Networks the training loss uses; a metric that uses one of them is marked in tables."""

    origin: ClassVar[str] = "no training needed"
    """What the record says where nothing was trained and no weights were given."""
    computes: ClassVar[bool] = True
    """Whether it makes SR images here. One that reads images made elsewhere has no cost to measure."""

    factor: int | None = None
    """HR side over LR side; None when the method takes any."""
    images_seen: int
    """Images of the global batch trained on so far; kept by the harness, saved in checkpoints."""
    trained_on: list[dict[str, Any]]
    """Data and images behind the weights, oldest first; kept by the harness, saved in checkpoints."""
    image_digests: Tensor | None
    """Digests of the images behind the weights (:mod:`facesr_bench.seen_images`), kept by the harness
    and saved in checkpoints; None where nobody kept them."""
    weight_files: list[dict[str, str]]
    """Name, sha256 and role of files the method itself read (a prior's), for the record."""
    sides_wanted: tuple[int, ...] = ()
    """Side outputs the test stage is to keep, of :meth:`side_sizes`; set by the harness."""

    def __init__(self) -> None:
        super().__init__()
        self.images_seen = 0
        self.trained_on: list[dict[str, Any]] = []
        self.image_digests: Tensor | None = torch.empty(0, dtype=torch.int64)
        self.weight_files: list[dict[str, str]] = []
        self.losses: dict[str, Tensor] = {}
        self.findings: Mapping[str, Tensor] = {}
        self.halving = Halving(self._restore_reporting)
        self.side_images: dict[int, Tensor] = {}
        self._context: TrainingContext | None = None

    # -- what a method gives ----------------------------------------------------------------------

    @abstractmethod
    def super_resolve(self, lr: Tensor) -> Tensor:
        """LR (B, 3, h, w) to SR (B, 3, H, W), both float32 in [0, 1], RGB.

        Called in eval mode without gradients; a method that optimises at test time opens
        ``torch.enable_grad()`` itself.
        """

    def restore(self, lr: Tensor, keys: Sequence[str]) -> Tensor:
        """``super_resolve`` for images that have names: what the test stage calls.

        A method that draws random numbers seeds them by key here, so that an image's result depends
        neither on its batch nor on its place in the test set.
        """
        return self.super_resolve(lr)

    def side_sizes(self) -> Sequence[int]:
        """Sides in pixels of images that the method makes on the way to ``super_resolve``'s."""
        return ()

    def side_outputs(self, lr: Tensor, sides: Sequence[int] | None = None) -> Mapping[int, Tensor]:
        """Those images (B, 3, side, side) in [0, 1], by side; all of :meth:`side_sizes` by default.

        They must not depend on the batch. Asked for in the test stage by ``side_outputs=``
        (:mod:`facesr_bench.side_outputs`).
        """
        return {}

    def test_batch_size(self, lr: Tensor, default: int) -> int:
        """Images to restore at once; SR images are stored after each such batch.

        Args:
            lr: one LR image (1, 3, h, w) on the device, to measure with.
            default: what the data's YAML says.
        """
        return default

    def check_sizes(self, lr: tuple[int, int], hr: tuple[int, int]) -> None:
        """Raise ConfigError if the method cannot map this LR size to this HR size."""
        if self.factor is not None and (lr[0] * self.factor, lr[1] * self.factor) != hr:
            raise ConfigError(
                f"{type(self).__name__} enlarges by {self.factor}, but the data go from "
                f"{lr[0]}x{lr[1]} to {hr[0]}x{hr[1]}. Choose other data, or another factor if the "
                "method takes one."
            )

    def begin_test(self, keys: Sequence[str], hr: tuple[int, int]) -> None:
        """Called once before the first test image, so that what cannot work is told before any does.

        Args:
            keys: of the whole test set, whichever of them this process will be given.
            hr: height and width SR images must have.
        """

    def make_budget(self, config: Mapping[str, Any], images: int | None = None) -> Budget:
        """The ``budget`` block of the method's YAML as phases.

        Methods whose phases follow from their arguments override it.

        Args:
            config: the block, as plain containers.
            images: override of the total; phases shrink or grow in proportion.
        """
        return Budget.from_config(config, images)

    def preview(self) -> Tensor | None:
        """Pictures of how training stands, (N, 3, H, W) in [0, 1], for those who watch; or None."""
        return None

    def inference_modules(self) -> Sequence[nn.Module]:
        """The networks that ``super_resolve`` runs; parameters are counted over them."""
        return [self]

    # -- what a method may use --------------------------------------------------------------------

    @property
    def context(self) -> TrainingContext:
        """The run's facts; only there once training was set up."""
        if self._context is None:
            raise ConfigError(f"{type(self).__name__} has no training context outside a run.")
        return self._context

    def bind(self, context: TrainingContext) -> None:
        """Called once by the harness before ``configure_optimizers``."""
        self._context = context

    @property
    def epoch(self) -> int:
        """Epochs of the papers finished so far: images seen over images in the training split."""
        return self.images_seen // self.context.train_images

    def noise(self, role: str, batch: int, *shape: int, on_device: bool = False) -> Tensor:
        """Normal noise (batch, *shape) for this step, on the method's device.

        It depends only on (seed, role, images seen): the noise of the global batch is drawn and this
        rank's rows are taken, so one process with batch 2B and two with B see the same numbers, and
        a resumed run the same as an uninterrupted one.

        Args:
            role: what it is for.
            batch: rows of this rank.
            *shape: of each row.
            on_device: draw where the method lives. For noise as large as images: a CPU would need
                longer than a step; but numbers then differ between kinds of devices.
        """
        context = self.context
        generator = torch_rng(context.seed, role, self.images_seen)
        if on_device and self.device.type == "cuda":
            generator = torch.Generator(self.device).manual_seed(generator.initial_seed())
        rows = torch.randn(
            batch * context.world_size, *shape, generator=generator, device=generator.device
        )
        return context.share(rows).to(self.device, non_blocking=True)

    def log_losses(self, losses: Mapping[str, Tensor]) -> None:
        """Hand this step's losses to the harness (detached; read only when it logs: no host sync)."""
        self.losses = {name: value.detach() for name, value in losses.items()}

    def report(self, findings: Mapping[str, Tensor]) -> None:
        """Hand numbers about each image just restored, (B,) each, to the harness.

        They are stored with the SR images, become columns of ``per_image.csv``, and their means enter
        the record.
        """
        self.findings = {name: values.detach() for name, values in findings.items()}

    # -- what the harness does with it ------------------------------------------------------------

    def test_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Super-resolve one test batch, in parts where memory is short, and guard the border."""
        name = type(self).__name__
        lr = check_image(batch["lr"], f"the LR given to {name}.super_resolve")
        sr, self.findings = self.halving(lr, batch["key"])
        self.side_images = self._wanted_sides(lr) if self.sides_wanted else {}
        return check_image(sr, f"the result of {name}.super_resolve")

    def _wanted_sides(self, lr: Tensor) -> dict[int, Tensor]:
        """Side outputs in parts as large as fitted when the SR images were made."""
        parts = lr.split(self.halving.most or len(lr))
        found = [self.side_outputs(part, self.sides_wanted) for part in parts]
        what = f"the side output of {type(self).__name__}"
        return {
            side: check_image(
                torch.cat([images[side] for images in found]), f"{what} at {side} pixels"
            )
            for side in self.sides_wanted
        }

    def _restore_reporting(
        self, lr: Tensor, keys: Sequence[str]
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        self.findings = {}
        sr = self.restore(lr, keys)
        return sr, self.findings

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the counter everything else follows from, and the provenance of the weights."""
        checkpoint["images_seen"] = self.images_seen
        checkpoint["trained_on"] = self.provenance()
        checkpoint["image_digests"] = self.image_digests

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take both back; what a resumed run adds is counted on top."""
        self.images_seen = int(checkpoint["images_seen"])
        # The last entry is the run being resumed; it is written anew with the growing count.
        self.trained_on = list(checkpoint["trained_on"])[:-1]
        if checkpoint.get("image_digests") is not None and self.image_digests is not None:
            self.image_digests = torch.cat(
                [checkpoint["image_digests"], self.image_digests]
            ).unique()

    def provenance(self) -> list[dict[str, Any]]:
        """``trained_on`` with this run's own training added, as plain values."""
        if self._context is None:
            return self.trained_on
        return [*self.trained_on, {**self._context.training_data, "images": self.images_seen}]
