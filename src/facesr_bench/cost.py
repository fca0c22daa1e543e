"""What one super-resolution costs: parameters, FLOPs, seconds and peak memory."""

import ctypes
import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from facesr_bench.method import Method

_WARM_UPS = 3
_REPEATS = 20
_LINUX_STATUS = Path("/proc/self/status")
_LINUX_RESET = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Cost:
    """Cost of a method on one device.

    Attributes:
        params: parameters of the networks that super-resolve, shared ones once.
        flops: floating-point operations of one image: 2 per multiply-add, convolutions and matrix
            products, as :mod:`torch.utils.flop_counter` counts (backward passes at test time too).
        seconds_per_image: at batch 1.
        seconds_per_image_batch: at the run's batch, divided by it.
        batch: the run's batch.
        peak_memory_bytes: of one call at the run's batch, not the first of this process.
        flops_paper_rule: the same by the rule of papers that count a backward pass as two forward
            ones: thrice the forward operations of a method that searches, ``flops`` of any other. What
            runs is less: weights are frozen, and the last step needs no gradient.
        seconds_mean: mean over the images of the test set as they were super-resolved, ``timed_batch``
            at once (papers print this at batch 1); None where none was made in this attempt.
        timed_images: how many of them.
        timed_batch: images at once.
        peak_memory_kind: "cuda allocator" (the allocator's peak, weights included), "rss growth"
            (CPU: how far resident memory grew beyond what the process held before the call), or
            "rss growth, not reset" (the system keeps only the lifetime's peak: a lower bound).
    """

    params: int
    flops: int
    seconds_per_image: float
    seconds_per_image_batch: float
    batch: int
    peak_memory_bytes: int
    peak_memory_kind: str
    flops_paper_rule: int | None = None
    seconds_mean: float | None = None
    timed_images: int | None = None
    timed_batch: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The attributes by name."""
        return asdict(self)


def measure_cost(
    method: "Method",
    lr: Tensor,
    seconds: float = 10.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Cost:
    """Measure ``method.super_resolve``, tensor in to tensor out.

    The method is put in eval mode and handed back as it was; the random state is untouched.

    Args:
        method: on the device to measure.
        lr: float32 (B, 3, h, w) on the same device; B is the run's batch, its first image serves
            for batch 1.
        seconds: cap on the timing of each of the two batch sizes. A method slower than that (one
            that optimises at test time) is timed by a single call without warm-ups.
        clock: seconds.
    """
    one = lr[:1]
    training = method.training
    method.eval()
    try:
        with _same_random_state(lr.device), torch.no_grad():
            # The call that counts serves as warm-up: what a process sets up once is no image's memory.
            flops, by_paper_rule = count_both(lambda: method.super_resolve(one))
            # Memory before time: repeats reuse what this call takes from the system.
            started = clock()
            peak, kind = peak_memory(lambda: method.super_resolve(lr), lr.device)
            whole = clock() - started
            single = time_call(lambda: method.super_resolve(one), lr.device, seconds, clock)
            if len(lr) == 1:
                whole = single
            elif whole < seconds:  # a slower one has been timed well enough
                whole = time_call(lambda: method.super_resolve(lr), lr.device, seconds, clock)
    finally:
        method.train(training)
    return Cost(
        params=count_parameters(method),
        flops=flops,
        seconds_per_image=single,
        seconds_per_image_batch=whole / len(lr),
        batch=len(lr),
        peak_memory_bytes=peak,
        peak_memory_kind=kind,
        flops_paper_rule=by_paper_rule,
    )


def count_parameters(method: "Method") -> int:
    """Parameters of ``method.inference_modules()``; one that appears twice counts once."""
    modules = method.inference_modules()
    unique = {id(p): p.numel() for module in modules for p in module.parameters()}
    return sum(unique.values())


def count_flops(call: Callable[[], object]) -> int:
    """FLOPs of one call."""
    return count_both(call)[0]


def count_both(call: Callable[[], object]) -> tuple[int, int]:
    """FLOPs of one call: what runs, and with each backward pass counted as two forward ones."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import FlopCounterMode

    class Backward(TorchDispatchMode):
        """Above the counter: how much of what it counts is done for gradients."""

        flops = 0

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            before = counter.get_total_flops()
            result = func(*args, **(kwargs or {}))
            # The node of the graph that runs now; none while a graph is being built.
            if torch._C._current_autograd_node() is not None:
                self.flops += counter.get_total_flops() - before
            return result

    with FlopCounterMode(display=False) as counter, Backward() as backward:  # type: ignore[no-untyped-call]
        call()
    whole = int(counter.get_total_flops())
    return whole, 3 * (whole - backward.flops) if backward.flops else whole


def time_call(
    call: Callable[[], object],
    device: torch.device,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Median seconds of a call: 3 warm-ups, then up to 20 repeats within ``seconds`` in all.

    A call that ends beyond ``seconds`` while still warming up is the answer.
    """

    def once() -> float:
        _synchronise(device)
        start = clock()
        call()
        _synchronise(device)
        return clock() - start

    spent = 0.0
    for _ in range(_WARM_UPS):
        spent += (last := once())
        if spent >= seconds:
            return last
    repeats: list[float] = []
    while len(repeats) < _REPEATS and (spent < seconds or not repeats):
        repeats.append(once())
        spent += repeats[-1]
    return statistics.median(repeats)


def peak_memory(call: Callable[[], object], device: torch.device) -> tuple[int, str]:
    """Peak memory of one call in bytes, and how it was measured (see :class:`Cost`)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        call()
        _synchronise(device)
        return torch.cuda.max_memory_allocated(device), "cuda allocator"
    _return_free_memory()
    if _reset_peak():
        before = _status_bytes("VmRSS")
        call()
        return max(0, _status_bytes("VmHWM") - before), "rss growth"
    before = _lifetime_peak()
    call()
    return max(0, _lifetime_peak() - before), "rss growth, not reset"


def _reset_peak() -> bool:
    """Set the process's peak resident memory back to the present one, where the kernel can."""
    try:
        _LINUX_RESET.write_text("5")
        # Some sandboxes take the write and do nothing; then the peak stays above what is resident.
        return math.isclose(_status_bytes("VmHWM"), _status_bytes("VmRSS"), abs_tol=2**20)
    except (OSError, ValueError):
        return False


def _status_bytes(name: str) -> int:
    for line in _LINUX_STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"{_LINUX_STATUS} has no line {name}.")


def _lifetime_peak() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _return_free_memory() -> None:
    """Let glibc give back what it keeps for reuse; otherwise a call would seem to need nothing."""
    # Another C library has no such call; the figure is then a lower bound.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def _same_random_state(device: torch.device) -> Iterator[None]:
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield
