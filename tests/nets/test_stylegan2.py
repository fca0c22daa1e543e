"""StyleGAN2 against the official modules: parameters, FLOPs, golden values, gradients."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from facesr_bench.errors import ConfigError
from facesr_bench.nets.prior import Prior
from facesr_bench.nets.stylegan2 import Discriminator, StyleGAN2, losses
from facesr_bench.nets.stylegan2 import synthesis as synthesis_module
from facesr_bench.nets.stylegan2.discriminator import batch_deviation
from facesr_bench.nets.stylegan2.layers import ModulatedConv, smooth, upsample
from facesr_bench.nets.stylegan2.mapping import Mapping
from facesr_bench.nets.stylegan2.synthesis import Synthesis
from nets.golden import EXACT, fill, pat, summary


def parameters(network: nn.Module, ending: str = "") -> int:
    return sum(p.numel() for name, p in network.named_parameters() if name.endswith(ending))


def small(resolution: int = 64, **arguments: int | bool) -> StyleGAN2:
    torch.manual_seed(0)
    sizes: dict[str, int] = {"z_dim": 12, "w_dim": 16, "map_layers": 2, "channel_base": 512}
    return StyleGAN2(resolution, **(sizes | {"channel_max": 16} | arguments))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def golden() -> Synthesis:
    network = fill(Synthesis(32, 512, 32768, 512), hundredfold=lambda name: False)
    return network.double().requires_grad_(False)


def picture(network: Synthesis) -> Tensor:
    shapes = network.noise_shapes
    noise = [pat((1, 1, *shape), 0.3 + 0.1 * j).double() for j, shape in enumerate(shapes)]
    return network(pat((2, network.num_codes, 512), 0.13).double(), noise)


# --- size and cost


@pytest.mark.parametrize(
    ("resolution", "total", "synthesis", "noise", "critic", "affine", "modulations"),
    [
        (128, 29_328_669, 27_227_421, 43_664, 28_389_121, 4_202_496, 34),
        (256, 30_034_338, 27_933_090, 174_736, 28_864_129, None, None),
        (512, 30_276_583, 28_175_335, 699_024, 28_982_849, None, None),
        (1024, 30_370_060, 28_268_812, 2_796_176, 29_012_513, 4_662_144, 52),
    ],
)
def test_parameters(
    resolution: int,
    total: int,
    synthesis: int,
    noise: int,
    critic: int,
    affine: int | None,
    modulations: int | None,
) -> None:
    with torch.device("meta"):
        network, discriminator = StyleGAN2(resolution), Discriminator(resolution)
    assert parameters(network) == total
    assert parameters(network.synthesis) == synthesis
    assert parameters(network.mapping) == 2_101_248
    assert sum(b.numel() for b in network.synthesis.buffers()) == noise
    assert sum(h * w for h, w in network.noise_shapes) == noise
    assert parameters(discriminator) == critic
    assert network.num_codes == 2 * math.log2(resolution) - 2
    if affine is not None:
        of_affine = [n for n, _ in network.named_parameters() if ".affine." in n]
        assert len(of_affine) == modulations
        assert sum(network.get_parameter(n).numel() for n in of_affine) == affine


@pytest.mark.parametrize(
    ("resolution", "convolutions", "filtered"),
    [(128, 6.120e10, 6.143e10), (1024, 1.48530e11, 1.50766e11)],
)
def test_flops_of_synthesis(resolution: int, convolutions: float, filtered: float) -> None:
    """The colour images' filter is an interpolation here, which nobody counts."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        network = StyleGAN2(resolution)
        network.synthesis(torch.empty(1, network.num_codes, 512))
    counted = counter.get_total_flops()
    sides = network.synthesis.sides[1:]
    widths = [len(block.conv1.bias) for block in network.synthesis.blocks[1:]]
    filters = sum(2 * 16 * n * side**2 for n, side in zip(widths, sides, strict=True))
    colours = sum(2 * 16 * 3 * side**2 for side in sides)
    assert counted - filters == pytest.approx(convolutions, rel=1e-3)
    assert counted + colours == pytest.approx(filtered, rel=1e-3)


# --- golden values


def test_golden_synthesis(golden: Synthesis) -> None:
    expected = [1.381567, 1.470958, 1.693103, 2.203592, 2.363064]
    assert summary(picture(golden)) == pytest.approx(expected, abs=EXACT)


def test_golden_synthesis_is_able_to_fail(
    golden: Synthesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two mistakes that no count and no shape shows give the values known for them."""

    def swapped(image: Tensor) -> Tensor:
        return _zeros_between(image, (1, 2, 1, 2))

    with monkeypatch.context() as patched:
        patched.setattr(synthesis_module, "upsample", swapped)
        assert summary(picture(golden))[0] == pytest.approx(1.256212, abs=EXACT)
    ups = [block.conv0.weight for block in golden.blocks[1:]]
    before = [weight.clone() for weight in ups]
    for weight in ups:
        weight.copy_(weight.flip((2, 3)))
    mean = summary(picture(golden))[0]
    for weight, stored in zip(ups, before, strict=True):
        weight.copy_(stored)
    assert mean == pytest.approx(1.426787, abs=EXACT)


def test_golden_mapping() -> None:
    network = fill(Mapping(512, 512, 8), hundredfold=lambda name: True).double()
    expected = [0.844551, 1.774003, 2.398426, 0.067496, 4.655365]
    assert summary(network(pat((2, 512), 1.7).double())) == pytest.approx(expected, abs=EXACT)


def test_golden_discriminator() -> None:
    network = fill(Discriminator(32)).double()
    with torch.no_grad():
        logits = network(pat((8, 3, 32, 32), 0.11).double()).flatten()
    expected = [0.448724, 0.465542, 0.536357, 0.519439, 0.497018, 0.438820, 0.381478, 0.359441]
    assert logits.tolist() == pytest.approx(expected, abs=EXACT)


# --- layers


def _zeros_between(image: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
    """The definition of up-sampling with a filter: zero insertion, padding, [1, 3, 3, 1] times 4."""
    samples, width, height, _ = image.shape
    spaced = image.new_zeros(samples, width, 2 * height, 2 * height)
    spaced[..., ::2, ::2] = image
    return smooth(functional.pad(spaced, padding), padding=0, gain=4)


def test_upsampling_is_the_filter_of_the_definition() -> None:
    image = pat((2, 3, 8, 8), 0.7)
    torch.testing.assert_close(upsample(image), _zeros_between(image, (2, 1, 2, 1)))
    one = torch.ones(1, 1, 8, 8)
    assert torch.allclose(smooth(one, 1)[..., 1:-1, 1:-1], one[..., :5, :5])


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_one_kernel_per_sample_is_the_same(up: bool, demodulate: bool) -> None:
    torch.manual_seed(0)
    layer = ModulatedConv(24, 16, 3, 8, up=up, demodulate=demodulate)
    x, w = pat((3, 24, 8, 8), 0.2), pat((3, 8), 0.9)
    shared = layer.convolve(x, w)
    layer.fused = True
    torch.testing.assert_close(layer.convolve(x, w), shared, atol=8e-6, rtol=0)


def test_fused_network_is_the_same() -> None:
    plain, fused = small(), small(fused=True)
    fused.load_state_dict(plain.state_dict())
    z = pat((3, 12), 1.7)
    torch.testing.assert_close(fused(z), plain(z), atol=8e-6, rtol=0)


def test_bf16_stays_close_and_keeps_codes_and_colour_in_float32() -> None:
    network = small()
    network.synthesis.b64.conv1.weight.data *= 1e4  # demodulation takes it out again, in float32
    ws = pat((2, network.num_codes, 16), 0.4) * 30
    exact = network.synthesis(ws)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        assert network.mapping(pat((2, 12), 1.7)).dtype == torch.float32
        image = network.synthesis(ws)
    assert image.dtype == torch.float32
    assert (image - exact).abs().mean() < 0.02 * exact.abs().mean()


def test_samples_are_compared_in_strided_groups() -> None:
    x = torch.arange(8.0)[:, None, None, None].expand(8, 2, 4, 4)
    extra = batch_deviation(x)[:, 2, 0, 0]
    assert extra.tolist() == pytest.approx([math.sqrt(5.0)] * 8)  # {0, 2, 4, 6}, not {0, 1, 2, 3}
    with pytest.raises(ConfigError, match="batch of 6"):
        batch_deviation(torch.zeros(6, 2, 4, 4))


# --- codes, noise, features


@pytest.mark.parametrize("side", [8, 32, 64])
def test_first_codes_make_the_smaller_picture(side: int) -> None:
    network = small().requires_grad_(False)
    needed = 2 * (side.bit_length() - 1) - 2
    ws = pat((2, network.num_codes, 16), 0.4)
    seen: list[Tensor] = []
    block = network.synthesis.get_submodule(f"b{side}")
    handle = block.register_forward_hook(lambda module, given, out: seen.append(out[1]))
    network.synthesis(ws)
    others = ws.clone()
    others[:, needed:] += 1
    network.synthesis(others)
    others[:, needed - 1] += 1
    network.synthesis(others)
    handle.remove()
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    assert torch.equal(network.synthesis(ws, stop_at=side), seen[0])


def test_features_are_the_blocks_outputs() -> None:
    network = small()
    image, features = network.synthesis(pat((2, 10, 16), 0.4), "const", features=True)
    assert image.shape == (2, 3, 64, 64)
    widths = {4: 16, 8: 16, 16: 16, 32: 16, 64: 8}
    assert {side: tuple(x.shape) for side, x in features.items()} == {
        side: (2, width, side, side) for side, width in widths.items()
    }


def test_noise() -> None:
    network = small(16)
    for name, strength in network.named_parameters():
        if name.endswith("noise_strength"):
            strength.data.fill_(0.5)
    prior: Prior = network
    ws = pat((2, prior.num_codes, 16), 0.4)
    stored = [b[None, None] for n, b in network.named_buffers() if n.endswith("noise_const")]
    assert [tuple(m.shape[2:]) for m in stored] == prior.noise_shapes
    assert torch.equal(prior.synthesis(ws), prior.synthesis(ws, stored))
    assert torch.equal(prior.synthesis(ws, "none"), prior.synthesis(ws, [m * 0 for m in stored]))
    assert not torch.equal(prior.synthesis(ws, "random"), prior.synthesis(ws, "random"))
    each = [torch.cat([m, -m]) for m in stored]
    assert torch.equal(prior.synthesis(ws, each)[0], prior.synthesis(ws)[0])
    with pytest.raises(ConfigError, match="5 noise maps, not 4"):
        prior.synthesis(ws, stored[:-1])
    with pytest.raises(ConfigError, match="map 1"):
        prior.synthesis(ws, [stored[0]] * 5)
    with pytest.raises(ConfigError, match="'loud'"):
        prior.synthesis(ws, "loud")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"\(N, 6, 16\)"):
        prior.synthesis(ws[:, :4])


def test_sides_that_cannot_be() -> None:
    for resolution in (4, 48, 0):
        with pytest.raises(ConfigError, match="8, 16, 32"):
            StyleGAN2(resolution)


# --- gradients and losses


def test_gradient_reaches_every_code_of_a_frozen_prior() -> None:
    network = small().requires_grad_(False)
    ws = pat((2, network.num_codes, 16), 0.4).requires_grad_()
    network.synthesis(ws).square().mean().backward()
    assert all(p.grad is None for p in network.parameters())
    assert ws.grad is not None
    assert (ws.grad.abs().amax((0, 2)) > 0).all()
    (last,) = torch.autograd.grad(
        network.synthesis(ws, features=True, noise="const")[1][64].sum(), ws
    )
    assert (last[:, -1] == 0).all()  # the last code is colour only
    assert (last[:, -2] != 0).any()


def test_logistic_losses() -> None:
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([-2.0, 0.5])
    assert float(losses.logistic_discriminator(real, fake)) == pytest.approx(1.2705972, abs=1e-6)
    assert float(losses.logistic_generator(fake)) == pytest.approx(1.3005025, abs=1e-6)


def test_r1_of_a_linear_critic() -> None:
    real = torch.randn(2, 3, 8, 8, requires_grad=True)
    penalty = losses.r1(0.1 * real.sum((1, 2, 3)), real)
    assert float(penalty) == pytest.approx(1.92, rel=1e-6)
    assert float(10 / 2 * penalty) == pytest.approx(9.6, rel=1e-6)


def test_path_length_of_a_linear_generator() -> None:
    """Every pixel is the sum of all codes: the gradient is the sum of directions, in each entry."""
    ws = torch.randn(2, 6, 9, requires_grad=True)
    images = ws.sum((1, 2))[:, None, None, None].expand(2, 3, 4, 4)
    noise = pat((2, 3, 4, 4), 0.3)
    lengths = noise.sum((1, 2, 3)).abs() / 4 * 3  # sqrt(4 * 4), sqrt(9)
    measured = losses.path_lengths(images, ws, noise)
    torch.testing.assert_close(measured, lengths)
    penalty, average = losses.path_penalty(measured, torch.tensor(2.0))
    expected = 2.0 + 0.01 * (lengths.mean() - 2.0)
    torch.testing.assert_close(average, expected)
    torch.testing.assert_close(penalty, (lengths - expected).square().mean())


@pytest.mark.parametrize("fused", [False, True])
def test_penalties_train_both_networks(fused: bool) -> None:
    network, critic = small(16, fused=fused), Discriminator(16, 256, 16)
    ws = network.mapping(pat((4, 12), 1.7))[:, None].repeat(1, 6, 1)
    images = network.synthesis(ws)
    lengths = losses.path_lengths(images, ws, pat(tuple(images.shape), 0.3))
    penalty, _ = losses.path_penalty(lengths, torch.tensor(0.0))
    penalty.backward()
    real = pat((4, 3, 16, 16), 0.11).requires_grad_()
    losses.r1(critic(real), real).backward()
    for name, parameter in network.named_parameters():
        if not name.endswith("torgb.bias"):  # no gradient by codes depends on it
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all()
    for name, parameter in critic.named_parameters():
        if name != "b4.out.bias":
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all()


def test_the_running_average_of_lengths_takes_part_in_the_gradient() -> None:
    lengths = torch.tensor([1.0, 4.0], dtype=torch.float64, requires_grad=True)
    start, decay = torch.tensor(2.0, dtype=torch.float64), 0.25
    penalty, average = losses.path_penalty(lengths, start, decay)
    (gradient,) = torch.autograd.grad(penalty, lengths)
    apart = lengths.detach() - average
    torch.testing.assert_close(average, torch.tensor(2.125, dtype=torch.float64))
    torch.testing.assert_close(gradient, apart - decay / 2 * apart.sum())
