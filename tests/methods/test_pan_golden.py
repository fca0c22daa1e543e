"""PAN's networks and losses against the spec's tables and two independent builds' values."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from facesr_bench.methods.pan.consistency import lr_consistency
from facesr_bench.methods.pan.discriminator import Discriminator
from facesr_bench.methods.pan.fade import Stage, fade, fade_data, up2
from facesr_bench.methods.pan.generator import Generator
from facesr_bench.methods.pan.layers import Blur, Down, Up, channels_at
from facesr_bench.methods.pan.losses import discriminator_loss, generator_loss, gradient_penalty
from facesr_bench.resize import resize
from nets.golden import EXACT, fill, pat, summary

SIDES = (8, 16, 32, 64, 128, 256, 512, 1024)


def count(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def flops(network: nn.Module, side: int, out: int) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, 3, side, side, device="meta"), Stage(out))
    return float(counter.get_total_flops())


@pytest.fixture(scope="module")
def generator() -> Generator:
    """x8 at full size, without memory behind it."""
    with torch.device("meta"):
        return Generator(128, 1024)


def test_channels_by_side() -> None:
    sides = (4, 8, 16, 32, 64, 128, 256, 512, 1024)
    assert [channels_at(r) for r in sides] == [512] * 4 + [256, 128, 64, 32, 16]


def test_parameters_of_each_part(generator: Generator) -> None:
    G = generator
    assert count(G.from_rgb) == 7_680
    assert count(G.to_rgb) == 6_120
    encoder = {r: count(block) for r, block in G.encoder.items()}
    assert encoder == {"128": 442_752, "64": 1_770_240} | dict.fromkeys(
        ["32", "16", "8"], 4_719_616
    )
    assert count(G.mid) == 2_359_808
    decoder = {
        r: count(block) - sum(p.numel() for n, p in block.named_parameters() if "noise" in n)
        for r, block in G.decoder.items()
    }
    assert decoder == dict.fromkeys(["8", "16", "32"], 7_078_912) | {
        "64": 2_359_808, "128": 590_080, "256": 110_848 - 128, "512": 27_776 - 64, "1024": 6_976 - 32,
    }  # fmt: skip
    assert sum(p.numel() for n, p in G.named_parameters() if "noise" in n) == 224


@pytest.mark.parametrize(
    ("side", "arguments", "params"),
    [
        (1024, {}, 43_077_672),
        (512, {}, 43_070_645),
        (256, {}, 43_042_770),
        (1024, {"noise": "none"}, 43_077_448),
        (1024, {"noise": "all"}, 43_077_672 + 3_840),
        (1024, {"skips": ()}, 35_262_504),
        (1024, {"skips": (64, 128)}, 35_999_784),
        (1024, {"pixelnorm": True}, 43_077_672),
    ],
    ids=str,
)
def test_parameter_totals(side: int, arguments: dict[str, object], params: int) -> None:
    with torch.device("meta"):
        assert count(Generator(128, side, **arguments)) == params  # type: ignore[arg-type]


def test_active_parameters_by_stage(generator: Generator) -> None:
    active = {r: sum(p.numel() for p in generator.active_parameters(r)) for r in SIDES}
    assert active == {
        8: 14_161_923, 16: 25_960_451, 32: 37_758_979, 64: 41_887_235,
        128: 42_919_171, 256: 43_029_827, 512: 43_057_507, 1024: 43_064_435,
    }  # fmt: skip


def test_discriminator_is_nvidias() -> None:
    with torch.device("meta"):
        D = Discriminator(1024)
    assert count(D) == 23_087_249
    assert count(D) - count(D.from_rgb["4"]) == 23_085_201


@pytest.mark.parametrize(
    ("out", "fused", "split"),
    [(1024, 9.907e10, 8.345e10), (512, 8.959e10, 7.585e10), (256, 8.029e10, 6.843e10)],
)
def test_flops_of_the_generator(out: int, fused: float, split: float) -> None:
    """The spec's are those of 4x4 kernels; ours need fewer for the same function."""
    with torch.device("meta"):
        assert flops(Generator(128, out, fused=True), 128, out) == pytest.approx(fused, rel=3e-4)
        assert flops(Generator(128, out), 128, out) == pytest.approx(split, rel=3e-4)


def test_flops_of_the_discriminator() -> None:
    with torch.device("meta"):
        D = Discriminator(1024, fused=True)
    assert flops(D, 1024, 1024) == pytest.approx(5.558e10, rel=3e-4)


def test_discriminator_forward() -> None:
    D = fill(Discriminator(32)).double()
    with torch.no_grad():
        logits = D(pat((8, 3, 32, 32), 0.11).double(), Stage(32)).flatten().tolist()
    golden = [0.443623, 0.485467, 0.419468, 0.385904, 0.332772, 0.400195, 0.378995, 0.440066]
    assert logits == pytest.approx(golden, abs=EXACT)


def test_generator_forward() -> None:
    G = fill(Generator(32, 64)).double()
    x = pat((2, 3, 32, 32), 0.11).double()
    with torch.no_grad():
        for name, p in G.named_parameters():
            if "noise" in name:
                p.zero_()
        assert summary(G(x, Stage(32)), 0) == pytest.approx([0.172601, 0.472095], abs=EXACT)
        assert summary(G(x, Stage(32, 0.5)), 0) == pytest.approx([0.250464, 0.283430], abs=EXACT)


@pytest.mark.parametrize("layer", [Up, Down])
@pytest.mark.parametrize(("inputs", "outputs"), [(3, 5), (6, 6)])
def test_split_resampling_is_the_fused_kernel(layer: type, inputs: int, outputs: int) -> None:
    """Also at the border, where the order of zeros and filters counts; and in its gradients."""
    torch.manual_seed(0)
    x = torch.randn(2, inputs, 8, 8, dtype=torch.float64, requires_grad=True)
    found = []
    split = layer(inputs, outputs).double()
    for fused in (False, True):
        split.fused = fused
        y = split(x)
        found.append((y, *torch.autograd.grad(y.square().sum(), [x, split.weight, split.bias])))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_blur_and_its_derivatives() -> None:
    blur = Blur().double()
    spot = torch.zeros(1, 2, 5, 5, dtype=torch.float64)
    spot[:, :, 2, 2] = 16
    expected = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]], dtype=torch.float64)
    assert torch.equal(blur(spot)[0, 1, 1:4, 1:4], expected)
    assert blur(torch.ones_like(spot))[0, 0, 0, 0] == 9 / 16  # zeros past the border
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(blur, (x, bias))
    assert torch.autograd.gradgradcheck(blur, (x, bias))


def test_fade() -> None:
    assert fade(torch.tensor(2.0), torch.tensor(-1.0), 0.25).item() == -0.25
    x = torch.rand(1, 3, 8, 8)
    assert fade_data(x, Stage(8)) is x
    half = fade_data(x, Stage(8, 0.25))
    coarse = up2(x.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2)))
    torch.testing.assert_close(half, 0.25 * x + 0.75 * coarse)


def narrow(lr_side: int = 16, side: int = 64) -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    return Generator(lr_side, side, base=256, most=8), Discriminator(side, base=256, most=8)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_output_sides_of_all_stages(generator: Generator, alpha: float) -> None:
    with torch.device("meta"):
        D = Discriminator(1024)
    for r in SIDES:
        stage = Stage(r, alpha if r > 8 else 1.0)
        sr = generator(torch.empty(4, 3, min(r, 128), min(r, 128), device="meta"), stage)
        assert sr.shape == (4, 3, r, r)
        assert D(sr, stage).shape == (4, 1)


@pytest.mark.parametrize("side", [16, 32, 64])
def test_a_fade_begins_with_the_stage_before(side: int) -> None:
    """At alpha 0 G gives the smaller image enlarged, and D judges what is left of it."""
    G, D = narrow()
    x = torch.rand(4, 3, min(side, 16), min(side, 16)) * 2 - 1
    stage = Stage(side, 0.0)
    small = x
    if side <= 16:
        x = fade_data(x, stage)
        small = torch.nn.functional.avg_pool2d(x, 2)
    with torch.no_grad():
        before = G(small, Stage(side // 2))
        image = G(x, stage)
        torch.testing.assert_close(image, up2(before))
        torch.testing.assert_close(D(image, stage), D(before, Stage(side // 2)))
        assert not torch.allclose(G(x, Stage(side)), image)


def test_losses() -> None:
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([-2.0, 0.5])
    none = torch.zeros(())
    assert discriminator_loss(real, fake, none).item() == pytest.approx(1.2705972)
    assert generator_loss(fake).item() == pytest.approx(1.3005025)


def test_gradient_penalty() -> None:
    x = torch.rand(2, 3, 8, 8, requires_grad=True)
    penalty = gradient_penalty(0.1 * x.sum((1, 2, 3)), x)
    assert penalty.item() == pytest.approx(1.92)
    loss = discriminator_loss(torch.zeros(2), torch.zeros(2), penalty)
    assert (loss - 2 * torch.tensor(2.0).log()).item() == pytest.approx(9.6)


def test_noise_weights() -> None:
    """Zero at first, so that noise changes nothing; yet they get a gradient, and then it does."""
    G, _ = narrow()
    x = torch.rand(2, 3, 16, 16)

    def maps(seed: int) -> object:
        generator = torch.Generator().manual_seed(seed)
        return lambda _, h: torch.randn(len(h), 1, *h.shape[2:], generator=generator)

    first, second = G(x, Stage(64), maps(1)), G(x, Stage(64), maps(2))
    assert torch.equal(first, second)
    first.square().sum().backward()
    weights = {name: p for name, p in G.named_parameters() if "noise" in name}
    assert set(weights) == {
        f"decoder.{r}.noise_{layer}.weight" for r in (32, 64) for layer in ("up", "conv")
    }
    assert all(p.grad is not None and p.grad.abs().min() > 0 for p in weights.values())
    with torch.no_grad():
        weights["decoder.32.noise_up.weight"][0] = 1
        assert not torch.allclose(G(x, Stage(64), maps(1)), G(x, Stage(64), maps(2)))
        assert torch.equal(G(x, Stage(16), maps(1)), G(x, Stage(16), maps(2)))


def test_noise_comes_before_the_bias_and_the_activation() -> None:
    G, _ = narrow()
    block = G.decoder["32"]
    x = torch.rand(1, G.decoder["16"].conv.weight.shape[0], 16, 16)
    seen: dict[str, Tensor] = {}

    def maps(layer: str, h: Tensor) -> Tensor:
        seen[layer] = h.clone()
        return torch.full((1, 1, *h.shape[2:]), -100.0)

    with torch.no_grad():
        block.noise_up.weight.fill_(1)
        block(x, None, maps)
        torch.testing.assert_close(seen["32.up"], block.up(x))
        reached = nn.functional.leaky_relu(seen["32.up"] - 100, 0.2)  # before the activation
        torch.testing.assert_close(seen["32.conv"], block.conv(reached))


def test_lr_consistency() -> None:
    torch.manual_seed(0)
    sr = torch.rand(2, 3, 32, 32) * 2 - 1
    lr = resize(sr, (16, 16), "bicubic")
    assert lr_consistency(sr, lr).item() == pytest.approx(100.0)
    # an error of 0.2 in [-1, 1] is 0.1 in [0, 1]: 20 dB
    assert lr_consistency(sr * 0.5, lr * 0.5 + 0.2).item() == pytest.approx(20.0, abs=1e-3)
    assert lr_consistency(sr * 9, (sr * 9).clamp(-1, 1)).item() == pytest.approx(100.0)
