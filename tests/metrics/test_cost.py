"""Cost: counts with an answer on paper, timing with a clock of our own."""

import numpy as np
import pytest
import torch
from torch import nn

from facesr_bench.cost import count_parameters, measure_cost, peak_memory, time_call
from facesr_bench.method import Method

CPU = torch.device("cpu")


class Toy(Method):
    """A 3x3 convolution, then a pixel shuffle; a critic that does not super-resolve."""

    paper = "none"

    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 12, 3, padding=1)
        self.critic = nn.Linear(1000, 1000)
        self.calls = []

    def super_resolve(self, lr):
        self.calls.append((len(lr), self.training, torch.is_grad_enabled()))
        noise = torch.rand(1)  # as methods that search at test time do
        return nn.functional.pixel_shuffle(self.body(lr), 2).sigmoid() + 0 * noise

    def inference_modules(self):
        return [self.body, nn.Sequential(self.body)]  # the same network twice


def test_costs_of_a_known_network():
    method = Toy().train()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    cost = measure_cost(method, torch.rand(4, 3, 10, 8), seconds=0.2)
    assert cost.params == count_parameters(method) == 12 * 27 + 12
    assert cost.flops == 2 * 12 * 27 * 10 * 8
    assert cost.batch == 4 and cost.seconds_per_image > 0 and cost.seconds_per_image_batch > 0
    assert method.training and not any(train or grad for _, train, grad in method.calls)
    assert {size for size, *_ in method.calls} == {1, 4}
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)
    assert set(cost.to_json()) == {
        "params", "flops", "seconds_per_image", "seconds_per_image_batch", "batch",
        "peak_memory_bytes", "peak_memory_kind",
        "flops_paper_rule", "seconds_mean", "timed_images", "timed_batch",
    }  # fmt: skip
    assert cost.flops_paper_rule == cost.flops  # nothing runs backwards
    assert cost.seconds_mean is None  # a test set says it, not one image


class Searcher(Toy):
    """Three steps on its input; the weights are frozen, and the last step has no backward."""

    def super_resolve(self, lr):
        x = lr.clone().requires_grad_()
        self.body.requires_grad_(False)
        for step in range(3):
            with torch.enable_grad():
                image = nn.functional.conv2d(x, self.body.weight, self.body.bias, padding=1)
                if step < 2:
                    (gradient,) = torch.autograd.grad(image.square().sum(), x)
                    x = (x - 0.1 * gradient).detach().requires_grad_()
        return nn.functional.pixel_shuffle(image.detach(), 2)


def test_a_search_by_what_runs_and_by_the_rule_of_papers():
    """Papers count a backward pass as two forward ones, one after every step; two of half run here."""
    forward = 2 * 12 * 27 * 10 * 8
    cost = measure_cost(Searcher(), torch.rand(1, 3, 10, 8), seconds=0.1)
    assert cost.flops == (3 + 2) * forward
    assert cost.flops_paper_rule == 3 * 3 * forward


def timed(durations, seconds):
    """Median and number of calls when calls take these durations on a clock of our own."""
    now, left = [0.0], list(durations)
    calls = []

    def call():
        calls.append(1)
        now[0] += left.pop(0)

    return time_call(call, CPU, seconds, clock=lambda: now[0]), len(calls)


def test_warm_ups_do_not_count_and_the_median_does():
    assert timed([9, 9, 9] + [1] * 10 + [2] * 10, 1000) == (1.5, 23)
    assert timed([1, 1, 1, 5, 1, 1], 8) == (5, 4)  # the cap ends it after one repeat
    assert timed([1] * 9, 6) == (1, 6)
    assert timed([30.0], 10) == (30.0, 1)  # PULSE: one call is the answer


@pytest.mark.parametrize("seconds", [5, 1000], ids=["timed once", "timed by repeats"])
@pytest.mark.parametrize(("batch", "each"), [(4, 2.0), (1, 5.0)])
def test_seconds_of_a_batch_are_those_of_one_of_its_images(batch, each, seconds):
    """On a clock of our own a call takes 5 seconds, and one more for every image beyond the first."""
    now = [0.0]

    class Timed(Toy):
        def super_resolve(self, lr):
            now[0] += 4 + len(lr)
            return super().super_resolve(lr)

    cost = measure_cost(Timed(), torch.rand(batch, 3, 4, 4), seconds, clock=lambda: now[0])
    assert cost.batch == batch
    assert cost.seconds_per_image == 5.0
    assert cost.seconds_per_image_batch == each  # 8 seconds of four images


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_peak_is_the_allocators():
    device = torch.device("cuda")
    peak, kind = peak_memory(lambda: torch.zeros(2**24, device=device), device)
    assert kind == "cuda allocator" and peak >= 2**26


def test_cpu_peak_sees_what_a_call_takes_and_gives_back():
    def growth(mebibytes):
        # Touched and freed.
        peak, kind = peak_memory(lambda: np.ones(mebibytes * 2**17), CPU)
        if kind != "rss growth":
            pytest.skip("this kernel cannot reset a process's peak memory")
        return peak

    # Measured beside each other: a busy kernel takes pages from a process and gives them back, and
    # counts late, by some MiB. The peak itself, not its growth, would be that of a whole process.
    idle, once, thrice = growth(0), growth(128), growth(384)
    assert idle < once / 4
    assert 2 < thrice / once < 4
