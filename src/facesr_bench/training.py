"""Fit a method on a data module until its budget of images is spent."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.layer_sync import LayerSync
from pytorch_lightning.strategies import DDPStrategy
from torch import nn

from facesr_bench.budget import Budget
from facesr_bench.callbacks import Checkpointing, ImageCounter, LossLog, SpeedNotice
from facesr_bench.checkpoints import AtomicCheckpointIO, load_weights, read_checkpoint
from facesr_bench.data import Role
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.errors import TrainingError
from facesr_bench.finite import FiniteGuard
from facesr_bench.interrupts import Interrupts
from facesr_bench.kept_epochs import KeptEpochs
from facesr_bench.method import Method, TrainingContext
from facesr_bench.nets.synced_norm import sync_batch_norms, unsync_batch_norms
from facesr_bench.previews import Previews
from facesr_bench.save_times import SaveTimes
from facesr_bench.seen_images import of_roles, together
from facesr_bench.workers import telling_of_workers

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """How a fit ended.

    Attributes:
        images_seen: images trained on in all, earlier attempts included.
        seconds: this attempt's training time.
        interrupted: somebody asked to stop; the checkpoint holds the state.
    """

    images_seen: int
    seconds: float
    interrupted: bool


class _SyncedNorms(LayerSync):
    """Lightning asks for it under DDP: batch statistics are those of all processes together."""

    def apply(self, model: nn.Module) -> nn.Module:
        sync_batch_norms(model)
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        unsync_batch_norms(model)
        return model


def build_trainer(
    config: Mapping[str, Any], method: Method, loggers: list[Any], callbacks: list[Any], stage: str
) -> pl.Trainer:
    """A Lightning Trainer from the ``trainer`` group.

    The harness fills in what must not be left to habit: under DDP a method with manual optimisation
    leaves parameters without a gradient in each of its backward passes, so unused parameters are
    looked for, and BatchNorm sees the batch of all processes; SR images are made in float32 whatever
    the training precision was. float32 is IEEE's, not TF32: the switches are PyTorch's, so they hold
    for the process.
    """
    options = dict(config)
    strategy: Any = options.pop("strategy", "auto")
    precision = options.pop("precision", "auto")
    if precision == "auto":
        accelerated = options.get("accelerator") in {"gpu", "cuda"} or _has_gpu(options)
        precision = "bf16-mixed" if accelerated and method.bf16_safe else "32-true"
    if stage == "test":
        precision = "32-true"
    if str(precision) in {"32", "32-true"}:
        float32_means_float32()
    if strategy == "ddp":
        training = stage == "fit"
        strategy = DDPStrategy(
            find_unused_parameters=training and not method.automatic_optimization
        )
    return pl.Trainer(
        strategy=strategy,
        precision=precision,
        logger=loggers or False,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO(), _SyncedNorms()],
        max_epochs=1,
        max_steps=-1,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        inference_mode=False,
        **options,
    )


def float32_means_float32() -> None:
    """Switch TF32 off, for the whole process.

    On GPUs PyTorch rounds the inputs of float32 convolutions to TF32, 10 bits of mantissa, unless told
    otherwise. A record that says float32 means it; who wants speed takes bf16-mixed.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")


def _take_if_finished(method: Method, budget: Budget, checkpoint: Path) -> bool:
    """Load a checkpoint that has no training left (stopped in the test stage, say)."""
    content = read_checkpoint(checkpoint)
    if not budget.finished(int(content.get("images_seen", 0))):
        return False
    load_weights(method, content, str(checkpoint))
    method.on_load_checkpoint(content)
    return True


def unequal_groups(method: nn.Module, budget: Budget, ranks: int) -> str | None:
    """What to say where several processes compare other groups of samples than one would.

    Discriminators with a minibatch deviation name the size of their groups as ``GROUP``.
    """
    named = (getattr(module, "GROUP", None) for module in method.modules())
    groups: set[int] = {group for group in named if isinstance(group, int)}
    for phase in budget.phases:
        share = phase.batch_size // ranks
        for group in groups:
            whole, part = min(group, phase.batch_size), min(group, share)
            if ranks > 1 and part != whole:
                return (
                    f"Phase {phase.name!r} gives each of {ranks} processes {share} images, so its "
                    f"discriminator compares groups of {part}, where one process compares groups of "
                    f"{whole}: its numbers are not those of one process. Batches of {group * ranks} "
                    "or more are the same on both."
                )
    return None


def _has_gpu(options: Mapping[str, Any]) -> bool:
    return options.get("accelerator", "auto") == "auto" and torch.cuda.is_available()


def fit(
    method: Method,
    data: FaceSRDataModule,
    budget: Budget,
    trainer_config: Mapping[str, Any],
    loggers: list[Any],
    output_dir: Path,
    seed: int,
    interrupts: Interrupts,
    resume_from: Path | None,
    log_every: int | None,
    preview_every: int | None,
    hint: str | None,
    save_times: SaveTimes | None = None,
    keep_epochs: Sequence[int] = (),
) -> Fitted:
    """Train until the budget is spent or somebody asks to stop; ``checkpoints/last.ckpt`` is there.

    Args:
        method: trained in place.
        data: serves it.
        budget: images in phases.
        trainer_config: the ``trainer`` group.
        loggers: Lightning loggers.
        output_dir: gets ``checkpoints/last.ckpt``.
        seed: of order, noise and augmentation.
        interrupts: asks to stop.
        resume_from: a checkpoint of an earlier attempt; one whose budget is spent is taken as it is.
        log_every: images between two log lines; None for a hundred lines a run.
        preview_every: images between two pictures of a method that offers some; None for ten a run.
        hint: what to propose to those who would wait long on a CPU, or None to say nothing.
        save_times: minutes between two saves; None for ten.
        keep_epochs: epochs of the training split whose checkpoint stays, ``checkpoints/epoch-N.ckpt``.
    """
    train_images = len(data.required("train"))
    budget = budget.of_epochs(train_images)
    path = output_dir / "checkpoints" / "last.ckpt"
    guard = FiniteGuard(budget, path)
    checkpointing = Checkpointing(
        path, budget, -(-budget.images // 20), interrupts, guard, save_times or SaveTimes()
    )
    every = log_every or -(-budget.images // 100)
    callbacks: list[pl.Callback] = [
        ImageCounter(budget),
        LossLog(budget, every, guard),
        KeptEpochs(path.parent, keep_epochs, train_images, budget.images, guard),
        checkpointing,
    ]
    pictures = preview_every or -(-budget.images // 10)
    callbacks.append(Previews(output_dir / "images", pictures, budget.images))
    if hint is not None:
        callbacks.append(SpeedNotice(budget, hint))
    trainer = build_trainer(trainer_config, method, loggers, callbacks, "fit")
    provenance: dict[str, Any] = {"data": data.name, "version": data.version, "seed": seed}
    sources = data.source.provenance()
    if sources:  # what was changed on the command line, too
        provenance["sources"] = sources
    method.bind(
        TrainingContext(
            seed, budget, train_images, provenance, trainer.global_rank, trainer.world_size
        )
    )
    if said := unequal_groups(method, budget, trainer.world_size):
        log.warning(said)
    roles: list[Role] = ["train", "train_lr"] if method.pairing == "unpaired" else ["train"]
    splits = [(role, split.keys) for role in roles if (split := data.split(role)) is not None]
    method.image_digests = together(method.image_digests, of_roles(data.source, splits))
    method.train()
    started = time.perf_counter()
    if resume_from is not None and _take_if_finished(method, budget, resume_from):
        return Fitted(method.images_seen, 0.0, False)
    telling_of_workers(
        lambda: trainer.fit(method, datamodule=data, ckpt_path=resume_from, weights_only=True)
    )
    seconds = time.perf_counter() - started
    if not checkpointing.stopped and not budget.finished(method.images_seen):
        raise TrainingError(
            f"Training ended after {method.images_seen} of {budget.images} images although nobody "
            "asked it to. Options of trainer= that cut an epoch short (limit_train_batches, max_time) "
            "cannot be used; set images=N instead."
        )
    return Fitted(method.images_seen, seconds, checkpointing.stopped)
