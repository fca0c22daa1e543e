"""What is made of weights follows them, whoever changes them, and is made once in between."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from facesr_bench.nets.derived import Derived


def total(module: nn.Module) -> Tensor:
    return torch.stack([p.double().sum() for p in (*module.parameters(), *module.buffers())]).sum()


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))


def _step(module: nn.Module) -> None:
    adam = torch.optim.Adam(module.parameters(), lr=0.1)
    module.eval()(torch.randn(2, 4, 5, 5)).square().sum().backward()
    adam.step()


def _statistics(module: nn.Module) -> None:
    with torch.no_grad():
        module(torch.randn(2, 4, 5, 5) + 3)


def _layout(module: nn.Module) -> None:
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def _buffer(module: nn.Module) -> None:
    module[1].running_mean = torch.full((4,), 2.0)  # type: ignore[index, operator, union-attr]


CHANGES = {
    "an optimiser's step": _step,
    "statistics of batch norm": _statistics,
    "a loaded state": lambda m: m.load_state_dict({n: v + 1 for n, v in m.state_dict().items()}),
    "a loaded state, taken as it is": lambda m: m.load_state_dict(
        {n: v + 1 for n, v in m.state_dict().items()}, assign=True
    ),
    "another type": lambda m: m.half().float(),
    "another memory format and back": _layout,
    "a buffer put in its place": _buffer,
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_follows(change: str) -> None:
    module = network()
    made: list[int] = []
    derived = Derived(module, lambda m: (made.append(1), total(m))[1])
    assert derived.get() is derived.get() and len(made) == 1
    CHANGES[change](module)
    assert torch.equal(derived.get(), total(module)) and len(made) == 2
    assert derived.get() is derived.get() and len(made) == 2
    derived.forget()
    derived.get()
    assert len(made) == 3


def test_a_copy_is_of_the_copied_module() -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network()
            self.total = Derived(self.inner, total)

    one = Holder()
    before = one.total.get()
    for other in (copy.deepcopy(one), pickle.loads(pickle.dumps(one.total))):
        module = other.inner if isinstance(other, Holder) else other._module
        derived = other.total if isinstance(other, Holder) else other
        with torch.no_grad():
            module[0].weight.add_(1)
        assert torch.equal(derived.get(), total(module))
        assert not torch.equal(derived.get(), before) and one.total.get() is before


def test_what_was_made_in_inference_mode_serves_a_training() -> None:
    module = network()
    derived = Derived(module, lambda m: m[0].weight * 2)  # type: ignore[index, operator]
    with torch.inference_mode():
        doubled = derived.get()
    assert not doubled.is_inference() and not doubled.requires_grad
    x = torch.randn(1, 4, 5, 5, requires_grad=True)
    nn.functional.conv2d(x, doubled).sum().backward()
    assert x.grad is not None
