"""Facts the record takes from a method: which networks super-resolve, and whether they export."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from facesr_bench.check.subject import Subject
from facesr_bench.check.tick import NotClaimed, Tick
from facesr_bench.cost import count_parameters
from facesr_bench.errors import first_line

PARITY = 1e-4
"""Of exported images; fused kernels add in another order."""


class _Reads(TorchDispatchMode):
    """Notes the storage of every tensor an operation reads."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for value in tree_iter((args, kwargs or {})):
            if isinstance(value, Tensor):
                self.seen.add(value.untyped_storage().data_ptr())
        return func(*args, **(kwargs or {}))


def parameters_counted(subject: Subject) -> str:
    """``inference_modules`` names what super_resolve runs, no more and no less."""
    subject.must_restore()
    method = subject.ready
    subject.restore(subject.lr[:1])
    with torch.no_grad(), _Reads() as reads:
        method.restore(subject.lr[:1], subject.keys[:1])
    declared = {id(p) for m in method.inference_modules() for p in m.parameters()}
    own = dict(method.named_parameters())
    read = {n for n, p in own.items() if p.untyped_storage().data_ptr() in reads.seen}
    left_out = sorted(name for name in read if id(own[name]) not in declared)
    if left_out:
        raise subject.fault(
            "inference_modules",
            f"leaves out {left_out[0]}, which super_resolve reads: its parameters and cost would be "
            "told too small",
        )
    # What is made of weights once, on first use, and kept stands for the weights it was made of.
    read |= _read_first(subject)
    idle = sorted(n for n, p in own.items() if id(p) in declared and n not in read)
    count, unread = count_parameters(method), sum(own[name].numel() for name in idle)
    # A stage that is off or a constant folded from a weight is not read; a critic is far more.
    if unread > 0.05 * max(count, 1) and method.trainable:
        raise subject.fault(
            "inference_modules",
            f"counts {unread:,} of {count:,} parameters that super_resolve never reads, first "
            f"{idle[0]}: return the networks that run at test time only",
        )
    return f"{count:,} parameters" + (f", {unread:,} of them not read" if unread else "")


def _read_first(subject: Subject) -> set[str]:
    """Names of the parameters that the first image of a fresh method reads."""
    method = subject.fresh()
    with torch.no_grad(), _Reads() as reads:
        method.restore(subject.lr[:1], subject.keys[:1])
    named = method.named_parameters()
    return {n for n, p in named if p.untyped_storage().data_ptr() in reads.seen}


def exports(subject: Subject) -> str:
    """A trace of super_resolve makes the same image of another face."""
    subject.must_restore()
    method = subject.ready
    if not subject.kind.exportable:
        raise NotClaimed(subject.kind.no_export.rstrip(".") or "exportable is false")
    one, other = subject.lr[:1], subject.lr[-1:].flip(3)

    def graph(lr: Tensor) -> Tensor:  # a LightningModule itself has properties no tracer likes
        return method.super_resolve(lr)

    with torch.no_grad(), _tracing(method):
        try:
            traced = torch.jit.trace(graph, (one,), check_trace=False)
        except Exception as error:
            raise subject.fault(
                "super_resolve",
                f"cannot be traced ({type(error).__name__}: {first_line(error)}); if it searches at "
                "test time, set exportable = False",
            ) from error
        gap = float((traced(other) - method.super_resolve(other)).abs().max())
    if gap > PARITY:
        raise subject.fault(
            "super_resolve",
            f"differs from its trace by up to {gap:.2g} on another face: a Python branch or number "
            "depends on the pixels, which an exported file would freeze",
        )
    return f"largest difference {gap:.1g}"


@contextmanager
def _tracing(method: torch.nn.Module) -> Iterator[None]:
    """Weights become constants of the graph, which must not want gradients; no warnings of shapes."""
    wanted = [p for p in method.parameters() if p.requires_grad]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for parameter in wanted:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in wanted:
                parameter.requires_grad_(True)


TICKS = (
    Tick(
        "parameters", "inference_modules is what runs", parameters_counted,
        after=("sizes", "untouched"),
    ),
    Tick(
        "export", "a trace makes the same images", exports,
        after=("sizes", "random", "deterministic", "untouched"),
    ),
)  # fmt: skip
