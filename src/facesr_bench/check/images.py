"""What ``super_resolve`` promises of the images it makes."""

import random

import numpy as np
import torch
from torch import Tensor

from facesr_bench.check.learning import probe
from facesr_bench.check.subject import Subject
from facesr_bench.check.tick import NotClaimed, Tick
from facesr_bench.errors import ConfigError, ImageError
from facesr_bench.images import check_image

A_LEVEL = 1 / 255
"""Sums of another batch differ in the last bit, and a search at test time amplifies that."""


def sizes(subject: Subject) -> str | None:
    """HR's size comes out of LR's."""
    subject.must_restore()
    sr, side = subject.restore(subject.lr), subject.data.hr_size
    if tuple(sr.shape) != (len(subject.lr), 3, side, side):
        raise subject.fault(
            "super_resolve",
            f"makes {tuple(sr.shape)} of {tuple(subject.lr.shape)}, but HR is (B, 3, {side}, {side})",
        )
    factor = subject.ready.factor
    if factor is not None and factor != subject.data.factor:
        raise subject.fault(
            "__init__", f"says factor={factor} for data of factor {subject.data.factor}"
        )
    return f"{subject.data.lr_size} -> {side}"


def value_range(subject: Subject) -> None:
    """Float32 in [0, 1], for faces, noise, black and white."""
    lr = subject.lr
    black, white = torch.zeros_like(lr[:1]), torch.ones_like(lr[:1])
    for what, images in (
        ("faces", lr), ("noise", probe(tuple(lr[:1].shape), "range")),
        ("black", black), ("white", white),
    ):  # fmt: skip
        try:
            check_image(
                subject.restore(images, subject.keys[: len(images)]), f"of {what}: the image"
            )
        except ImageError as error:
            raise subject.fault("super_resolve", str(error).rstrip(".")) from error


def deterministic(subject: Subject) -> None:
    """Twice the same in eval mode, given the same global random state."""
    results = []
    for _ in range(2):
        _seed_everything(7)
        results.append(subject.restore(subject.lr))
    if not torch.equal(*results):
        gap = float((results[0] - results[1]).abs().max())
        raise subject.fault(
            "super_resolve",
            f"gives another image the second time (by up to {gap:.2g}): something keeps state, or "
            "dropout is on in eval mode",
        )


def batch_independent(subject: Subject) -> None:
    """An image comes out alike alone, in a batch of four, and in another order."""
    together = subject.restore(subject.lr)
    alone = torch.cat(
        [subject.restore(subject.lr[n : n + 1], [key]) for n, key in enumerate(subject.keys)]
    )
    turned = subject.restore(subject.lr.flip(0), subject.keys[::-1]).flip(0)
    for how, other in (("alone", alone), ("in another order", turned)):
        gap = float((together - other).abs().max())
        if gap > A_LEVEL:
            raise subject.fault(
                "super_resolve",
                f"gives an image another result {how} (by up to {gap:.2g}): it depends on its batch; "
                "look for means or norms over dim 0, or noise not seeded by key",
            )


def odd_sizes(subject: Subject) -> str:
    """LR of 13x9 pixels, where the method says it takes any size."""
    subject.must_restore()
    factor = subject.data.factor
    lr, hr = (13, 9), (13 * factor, 9 * factor)
    try:
        subject.ready.check_sizes(lr, hr)
    except ConfigError as error:
        raise NotClaimed("check_sizes takes one size only") from error
    images = probe((1, 3, *lr), "odd")
    try:
        sr = subject.restore(images, ["odd"])
    except Exception as error:
        raise subject.fault(
            "super_resolve",
            f"breaks on LR of 13x9 ({type(error).__name__}), which check_sizes lets pass",
        ) from error
    if tuple(sr.shape[2:]) != hr:
        raise subject.fault(
            "super_resolve",
            f"makes {sr.shape[2]}x{sr.shape[3]} of 13x9, not {hr[0]}x{hr[1]}, though check_sizes lets "
            "it pass",
        )
    return f"13x9 -> {hr[0]}x{hr[1]}"


def no_gradient(subject: Subject) -> None:
    """No graph comes out of eval mode, no gradient stays behind, no mode is left changed."""
    subject.must_restore()
    method = subject.ready
    with torch.no_grad():
        sr = method.restore(subject.lr, subject.keys)
        on = torch.is_grad_enabled()
    left = [name for name, p in method.named_parameters() if p.grad is not None]
    method.zero_grad(set_to_none=True)
    if sr.requires_grad:
        raise subject.fault(
            "super_resolve", "returns images that still carry their graph; detach() them"
        )
    if left:
        raise subject.fault("super_resolve", f"leaves a gradient in {left[0]} after a test image")
    if on or method.training:
        method.eval()
        raise subject.fault("super_resolve", "leaves gradients or training mode switched on")


def weights_untouched(subject: Subject) -> None:
    """Restoring changes no parameter and no buffer."""
    method = subject.ready
    subject.restore(subject.lr)  # what is made on first use may be made
    before = {name: value.clone() for name, value in _tensors(method)}
    subject.restore(subject.lr)
    changed = [name for name, value in _tensors(method) if not torch.equal(before[name], value)]
    if changed:
        raise subject.fault(
            "super_resolve", f"changes {changed[0]}, so an image depends on those before it"
        )


def global_random_state(subject: Subject) -> None:
    """Restoring draws from no global generator, and does not depend on one."""
    subject.restore(subject.lr)
    results = []
    for seed in (1, 2):
        _seed_everything(seed)
        before = _random_states()
        results.append(subject.restore(subject.lr))
        if _random_states() != before:
            raise subject.fault(
                "super_resolve",
                "draws from a global random generator; seed one of its own by "
                "facesr_bench.seeding.torch_rng(seed, role, key) in restore(lr, keys)",
            )
    if not torch.equal(*results):
        raise subject.fault("super_resolve", "gives another image under another global seed")


def _tensors(method: torch.nn.Module) -> list[tuple[str, Tensor]]:
    return [*method.named_parameters(), *method.named_buffers()]


def _seed_everything(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def _random_states() -> tuple[bytes, str, int]:
    numpy_state = str(np.random.get_state()[1].tobytes().hex())  # type: ignore[index,union-attr]
    return torch.get_rng_state().numpy().tobytes(), numpy_state, hash(random.getstate())


TICKS = (
    Tick("sizes", "LR of the data's size becomes HR's", sizes),
    Tick("range", "float32 in [0, 1]", value_range, after=("sizes",)),
    Tick("deterministic", "twice the same in eval mode", deterministic, after=("sizes",)),
    Tick(
        "random", "no global generator is drawn from", global_random_state,
        after=("sizes", "deterministic"),
    ),
    Tick(
        "batch", "an image does not depend on its batch", batch_independent,
        after=("sizes", "random", "deterministic"),
    ),
    Tick("odd", "odd, non-square images where allowed", odd_sizes, after=("sizes",)),
    Tick("graph", "no gradient leaks out of super_resolve", no_gradient, after=("sizes",)),
    Tick("untouched", "super_resolve changes no weight", weights_untouched, after=("sizes",)),
)  # fmt: skip
