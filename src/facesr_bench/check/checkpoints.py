"""What a checkpoint promises: plain, whole, and a place to go on from."""

import torch

from facesr_bench.check.learning import learn
from facesr_bench.check.subject import SEED, Subject
from facesr_bench.check.tick import NotClaimed, Tick
from facesr_bench.checkpoints import load_weights, read_checkpoint
from facesr_bench.errors import WeightsError, first_line


def plain_checkpoint(subject: Subject) -> str:
    """``weights_only=True`` opens it, so nothing in it can run code."""
    path = subject.learnt.checkpoint
    try:
        read_checkpoint(path)
    except WeightsError as error:
        why = first_line(error.__cause__ or error)[:200]
        raise subject.fault(
            "on_save_checkpoint",
            f"puts more than tensors and plain containers into the checkpoint ({why})",
        ) from error
    return f"{path.stat().st_size / 1e6:.1f} MB"


def save_equals_reload(subject: Subject) -> None:
    """A fresh method with the checkpoint's weights makes the same images, to the bit."""
    subject.must_restore()
    learnt = subject.learnt
    again = subject.fresh(seed=SEED + 1)  # what the file lacks is drawn otherwise
    try:
        load_weights(again, read_checkpoint(learnt.checkpoint), learnt.checkpoint.name)
    except WeightsError as error:
        raise subject.fault(None, f"does not take back its own weights: {error}") from error
    trained = learnt.method.eval()
    with torch.no_grad():
        images = [m.eval().restore(subject.lr, subject.keys) for m in (trained, again)]
    if not torch.equal(*images):
        gap = float((images[0] - images[1]).abs().max())
        raise subject.fault(
            "super_resolve",
            f"makes other images after saving and loading (by up to {gap:.2g}): something it needs is "
            "neither a parameter nor a buffer",
        )


def resume_equals_uninterrupted(subject: Subject) -> str:
    """Stopped half-way and resumed, a run ends with the same weights, to the bit."""
    learnt, data, budget = subject.learnt, subject.data, subject.budget
    images = subject.ready.make_budget(budget).images
    steps = len(learnt.losses)
    if steps < 2:
        raise NotClaimed("the smoke budget is a single step")
    folder = subject.folder / "stopped"
    first = learn(subject.fresh(), data, budget, folder, SEED, stop_in_step=max(1, steps // 2))
    seen = first.method.images_seen
    second = learn(subject.fresh(), data, budget, folder, SEED, resume_from=first.checkpoint)
    whole, resumed = learnt.method.state_dict(), second.method.state_dict()
    unequal = [name for name, value in whole.items() if not torch.equal(value, resumed[name])]
    if unequal:
        raise subject.fault(
            "training_step",
            f"ends elsewhere when the run was stopped after {seen} images and resumed "
            f"({len(unequal)} of {len(whole)} tensors, first {unequal[0]}): keep state in buffers, "
            "optimizers or on_save_checkpoint, or derive it from images_seen",
        )
    if len(second.losses) != steps - len(first.losses):
        raise subject.fault("on_load_checkpoint", "makes a resumed run take other steps")
    return f"stopped after {seen} of {images} images"


TICKS = (
    Tick("checkpoint", "weights_only=True reads its checkpoint", plain_checkpoint, after=("losses",)),
    Tick(
        "reload", "saving and loading changes no image", save_equals_reload,
        after=("sizes", "random", "deterministic", "untouched", "checkpoint"),
    ),
    Tick(
        "resume", "resumed equals uninterrupted", resume_equals_uninterrupted,
        after=("checkpoint", "draws"),
    ),
)  # fmt: skip
