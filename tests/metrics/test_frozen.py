"""Metric networks run in float32, whatever the training left switched on, and leave no trace."""

import pytest
import torch
from torch import nn

from facesr_bench.metrics.frozen import FrozenNetwork, exact_float32

NEW = hasattr(torch.backends.cuda.matmul, "fp32_precision")
SWITCHES = ("cuda.matmul", "cudnn.conv", "mkldnn.matmul", "mkldnn.conv")


def switch(name):
    part = torch.backends
    for word in name.split("."):
        part = getattr(part, word)
    return part


def state():
    try:
        legacy = torch.get_float32_matmul_precision()
    except RuntimeError:
        legacy = "refused"
    try:
        legacy = (legacy, torch.backends.cudnn.allow_tf32)
    except RuntimeError:
        legacy = (legacy, "refused")
    found = {name: switch(name).fp32_precision for name in SWITCHES} if NEW else {}
    return legacy, found, torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark


@pytest.fixture(autouse=True)
def _as_it_was():
    with exact_float32():
        pass
    before = state()
    values = {name: switch(name).fp32_precision for name in SWITCHES} if NEW else {}
    yield
    torch.set_float32_matmul_precision(before[0][0] if before[0][0] != "refused" else "highest")
    for name, value in values.items():
        switch(name).fp32_precision = value


def product():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(256, 256, generator=generator) for _ in range(2))
    return (a @ b - (a.double() @ b.double()).float()).abs().max().item()


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_products_are_exact_inside_and_the_setting_comes_back(precision):
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.benchmark = True
    before = state()
    with exact_float32():
        assert product() < 1e-3
        assert torch.get_float32_matmul_precision() == "highest"
        assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark
        assert torch.backends.cudnn.allow_tf32 is False  # other libraries ask this inside
        if NEW:
            assert {switch(name).fp32_precision for name in SWITCHES} == {"ieee"}
    assert state() == before
    torch.backends.cudnn.benchmark = False


@pytest.mark.skipif(not NEW, reason="this PyTorch has only the flags")
@pytest.mark.parametrize("name", SWITCHES)
def test_the_new_switches_are_honoured_and_come_back(name):
    switch(name).fp32_precision = "tf32" if name.startswith("cu") else "bf16"
    before = state()
    with exact_float32():
        assert switch(name).fp32_precision == "ieee"
        assert product() < 1e-3
    assert state() == before


def test_the_settings_come_back_after_an_error():
    torch.set_float32_matmul_precision("medium")
    before = state()
    with pytest.raises(ZeroDivisionError), exact_float32():
        raise ZeroDivisionError
    assert state() == before


def frozen():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Flatten(), nn.LazyLinear(16))
    network(torch.zeros(1, 3, 16, 16))
    return FrozenNetwork(network, lambda images: images / 255)


def images(number, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (number, 3, 16, 16), generator=generator, dtype=torch.uint8)


def test_a_callers_autocast_does_not_reach_the_network():
    network, batch = frozen(), images(5)
    expected = network(batch)
    torch.set_float32_matmul_precision("medium")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = network(batch)
    assert got.dtype == torch.float32 and torch.equal(got, expected)


@pytest.mark.parametrize("sizes", [(1,) * 20, (7, 13), (16, 4), (20,)])
def test_the_callers_batch_changes_nothing(sizes):
    network, batch = frozen(), images(20)
    parts = [network(part) for part in batch.split(list(sizes))]
    torch.testing.assert_close(torch.cat(parts), network(batch), rtol=0, atol=1e-6)


def test_frozen_means_eval_without_gradients():
    network = frozen()
    assert not network.train().training and not network.network.training
    assert not any(p.requires_grad for p in network.parameters())
    assert not network(images(2)).requires_grad
    assert network(images(0)).shape[0] == 0
