"""Whether a graph is being written down, in which weights should stay weights."""

import torch


def is_recorded() -> bool:
    """True inside a trace, as ``stage=export`` makes one: no place for constants computed beside it."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]
