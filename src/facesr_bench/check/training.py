"""What ``training_step`` and ``configure_optimizers`` promise."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from facesr_bench.check.learning import steps_on_one_batch
from facesr_bench.check.subject import Subject
from facesr_bench.check.tick import NotClaimed, Tick
from facesr_bench.errors import FaceSRError

STEPS = 12
DEAD = 0.01
"""Share of an optimizer's numbers that may never get a gradient (layers of a stage left out)."""
FALL = 0.02
"""Share by which the first loss of all must have fallen after :data:`STEPS` steps on one batch."""


def losses(subject: Subject) -> str | None:
    """Every step logs its losses, and they are finite."""
    subject.must_train()
    try:
        learnt = subject.learnt
    except Exception as error:
        said = str(error) if isinstance(error, FaceSRError) else f"{type(error).__name__}: {error}"
        raise subject.fault("training_step", f"does not train: {said}") from error
    silent = [number for number, row in enumerate(learnt.losses, 1) if not row]
    if silent:
        raise subject.fault(
            "training_step", f"logs no losses in step {silent[0]}; call self.log_losses({{...}})"
        )
    for number, row in enumerate(learnt.losses, 1):
        wrong = [f"{name}={value}" for name, value in row.items() if not math.isfinite(value)]
        if wrong:
            raise subject.fault("training_step", f"gives {wrong[0]} in step {number}")
    return f"{len(learnt.losses)} steps: {', '.join(sorted(learnt.losses[-1]))}"


def optimizers(subject: Subject) -> str | None:
    """Each trainable parameter has exactly one optimizer, and frozen ones have none."""
    learnt = subject.learnt
    method, found = learnt.method, learnt.optimizers
    owners: dict[int, int] = {}
    for optimizer in found:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    names = {id(p): name for name, p in method.named_parameters()}
    for name, parameter in method.named_parameters():
        count = owners.get(id(parameter), 0)
        if parameter.requires_grad and not count:
            raise subject.fault(
                "configure_optimizers", f"leaves {name} out; freeze it with requires_grad_(False), "
                "or give it to an optimizer",
            )  # fmt: skip
        if count > 1:
            raise subject.fault(
                "configure_optimizers", f"gives {name} to {count} optimizers or groups"
            )
    stray = [key for key in owners if key not in names]
    if stray:
        raise subject.fault(
            "configure_optimizers", f"holds {len(stray)} parameters that are not the module's own"
        )
    return f"{len(found)} optimizers, {len(owners)} tensors"


def parameters_change(subject: Subject) -> str | None:
    """The smoke budget moves what the optimizers hold."""
    learnt = subject.learnt
    after, remark = dict(learnt.method.named_parameters()), ""
    for number, optimizer in enumerate(learnt.optimizers, 1):
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        ours = [n for n, p in after.items() if id(p) in held and n in learnt.before]
        still = [name for name in ours if torch.equal(after[name], learnt.before[name])]
        if ours and len(still) == len(ours):
            raise subject.fault(
                "training_step",
                f"changes nothing that optimizer {number} holds ({ours[0]} and so on): look at its "
                "learning rate, and whether it steps",
            )
        # A gradient may be zero for a while (a bias after a hinge); one that is None never comes.
        without = [name for name in still if after[name].grad is None]
        share = _numbers(after, without) / max(1, _numbers(after, ours))
        if share > DEAD:
            raise subject.fault(
                "training_step",
                f"never sends a gradient to {without[0]} ({len(without)} of {len(ours)} tensors of "
                f"optimizer {number}, {share:.0%} of its numbers)",
            )
        remark = remark or (f"no gradient reaches {without[0]}" if without else "")
    return remark or f"{len(learnt.optimizers)} optimizers"


def _numbers(parameters: Mapping[str, Tensor], names: Sequence[str]) -> int:
    return sum(parameters[name].numel() for name in names)


def random_steps(subject: Subject) -> None:
    """A step draws from no global generator, or a resumed run would be another one."""
    learnt = subject.learnt
    if learnt.random_steps:
        raise subject.fault(
            "training_step",
            f"draws from torch's global generator in {learnt.random_steps} of {len(learnt.losses)} "
            "steps; take self.noise(role, batch, ...) or facesr_bench.seeding.torch_rng",
        )


def overfits(subject: Subject) -> str:
    """Twelve steps on one batch lower at least one loss."""
    learnt = subject.learnt
    rows = steps_on_one_batch(
        subject.fresh(), learnt.batch, subject.budget, len(subject.data.required("train")), STEPS
    )
    first, last = rows[0], rows[-1]
    falls = {
        name: (first[name] - last[name]) / max(abs(first[name]), 1e-12)
        for name in first
        if name in last
    }
    name = max(falls, key=lambda key: falls[key])
    if falls[name] < FALL:
        raise subject.fault(
            "training_step",
            f"lowers none of its losses in {STEPS} steps on one batch ({name} went from "
            f"{first[name]:.4g} to {last[name]:.4g}): look at signs, learning rate and zero_grad",
        )
    return f"{name} {first[name]:.3g} -> {last[name]:.3g}"


def bf16(subject: Subject) -> str:
    """Under bf16 autocast the first step's losses are those of float32, if ``bf16_safe``."""
    if not subject.kind.bf16_safe:
        raise NotClaimed("bf16_safe is false")
    learnt = subject.learnt
    images = len(subject.data.required("train"))
    row = steps_on_one_batch(
        subject.fresh(), learnt.batch, subject.budget, images, 1, "bf16-mixed"
    )[0]
    for name, value in learnt.losses[0].items():
        if not math.isfinite(row[name]) or abs(row[name] - value) > 0.05 * max(abs(value), 0.1):
            raise subject.fault(
                "bf16_safe",
                f"is claimed, but the first step's {name} is {row[name]:.4g} under bf16 and "
                f"{value:.4g} in float32",
            )
    return "first step within 5 %"


TICKS = (
    Tick("losses", "each step logs finite losses", losses),
    Tick("optimizers", "each trainable parameter has one optimizer", optimizers, after=("losses",)),
    Tick(
        "changes", "training changes what the optimizers hold", parameters_change,
        after=("losses", "optimizers"),
    ),
    Tick("draws", "a step draws from no global generator", random_steps, after=("losses",)),
    Tick("overfit", "one batch can be learnt a little", overfits, after=("losses", "changes")),
    Tick("bf16", "bf16_safe holds, where claimed", bf16, after=("losses",)),
)  # fmt: skip
