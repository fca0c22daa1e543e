"""StyleGAN1 is the published one: names, sizes, operations and, above all, forward values."""

import math
from collections.abc import Callable
from itertools import chain

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from facesr_bench.errors import ConfigError
from facesr_bench.nets.stylegan1.generator import StyleGAN1
from facesr_bench.nets.stylegan1.layers import Epilogue, EqualConv, UpConv, adain, four_shifts
from facesr_bench.nets.stylegan1.mapping import Mapping
from nets.golden import EXACT, fill, pat, summary

CHANNELS = {4: 512, 8: 512, 16: 512, 32: 512, 64: 256, 128: 128, 256: 64, 512: 32, 1024: 16}


def on_meta(resolution: int, fuse_all: bool = False) -> StyleGAN1:
    with torch.device("meta"):
        return StyleGAN1(resolution, fuse_all=fuse_all)


def small(resolution: int = 16, **sizes: bool) -> StyleGAN1:
    """A narrow prior that still has every part, frozen."""
    prior = StyleGAN1(resolution, z_dim=6, w_dim=8, map_layers=2, channel_max=16, **sizes)
    return fill(prior).requires_grad_(False)


def codes(prior: StyleGAN1, batch: int = 2) -> Tensor:
    return pat((batch, prior.num_codes, prior.w_dim), 0.13)


def noises(prior: StyleGAN1, batch: int = 1) -> list[Tensor]:
    return [pat((batch, 1, *shape), 0.3 + 0.1 * j) for j, shape in enumerate(prior.noise_shapes)]


def official_shapes(resolution: int) -> dict[str, tuple[int, ...]]:
    """PULSE's ``synthesis.pt``, spelled out."""
    shapes: dict[str, tuple[int, ...]] = {
        "torgb.weight": (3, CHANNELS[resolution], 1, 1),
        "torgb.bias": (3,),
    }
    before = 0
    for side, width in CHANNELS.items():
        if side > resolution:
            break
        block = f"blocks.{side}x{side}."
        if side == 4:
            shapes[block + "const"] = (1, width, 4, 4)
            shapes[block + "bias"] = (width,)
            conv = "conv"
        else:
            shapes[block + "conv0_up.weight"] = (width, before, 3, 3)
            shapes[block + "conv0_up.bias"] = (width,)
            shapes[block + "conv0_up.intermediate.kernel"] = (1, 1, 3, 3)
            conv = "conv1"
        shapes[block + conv + ".weight"] = (width, width, 3, 3)
        shapes[block + conv + ".bias"] = (width,)
        for epilogue in ("epi1", "epi2"):
            shapes[f"{block}{epilogue}.noise.weight"] = (width,)
            shapes[f"{block}{epilogue}.style_mod.lin.weight"] = (2 * width, 512)
            shapes[f"{block}{epilogue}.style_mod.lin.bias"] = (2 * width,)
        before = width
    return shapes


# --- names and sizes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resolution", "entries", "buffer_values", "parameters", "styles", "style_tensors"),
    [(1024, 100, 72, 24_110_771, 5_220_288, 36), (128, 67, 45, 23_735_683, 4_990_464, 24)],
)
def test_synthesis_takes_the_official_names_and_shapes(
    resolution: int,
    entries: int,
    buffer_values: int,
    parameters: int,
    styles: int,
    style_tensors: int,
) -> None:
    synthesis = on_meta(resolution).synthesis
    state = synthesis.state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == official_shapes(
        resolution
    )
    assert len(state) == entries
    assert sum(buffer.numel() for buffer in synthesis.buffers()) == buffer_values
    assert sum(parameter.numel() for parameter in synthesis.parameters()) == parameters
    modulation = [p.numel() for name, p in synthesis.named_parameters() if ".style_mod." in name]
    assert (sum(modulation), len(modulation)) == (styles, style_tensors)


def test_mapping_takes_the_official_names_and_shapes() -> None:
    mapping = on_meta(1024).mapping
    expected: dict[str, tuple[int, ...]] = {}
    for index in range(8):
        expected[f"dense{index}.weight"] = (512, 512)
        expected[f"dense{index}.bias"] = (512,)
    assert {name: tuple(v.shape) for name, v in mapping.state_dict().items()} == expected
    assert len(expected) == 16
    assert sum(parameter.numel() for parameter in mapping.parameters()) == 2_101_248


def test_with_the_torgb_layers_pulse_drops_it_is_as_large_as_nvidia_prints() -> None:
    dropped = sum(3 * width + 3 for side, width in CHANNELS.items() if side < 1024)
    assert sum(p.numel() for p in on_meta(1024).parameters()) + dropped == 26_219_627


def test_the_blur_is_the_binomial_one() -> None:
    expected = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    kernels = [b for name, b in small(32).synthesis.named_buffers() if name.endswith("kernel")]
    assert len(kernels) == 3
    assert all(torch.equal(kernel[0, 0], expected) for kernel in kernels)


# --- what it computes --------------------------------------------------------------------------


@pytest.mark.parametrize("fuse_all", [False, True])
@pytest.mark.parametrize(
    ("resolution", "expected"),
    [
        (32, [0.072324, 1.443434, -2.133401, -1.489027, -1.241637]),
        (128, [-0.470235, 1.136159, -1.344202, -1.195576, -1.146107]),
    ],
)
@torch.no_grad()
def test_synthesis_gives_the_golden_values(
    resolution: int, expected: list[float], fuse_all: bool
) -> None:
    prior = fill(StyleGAN1(resolution, map_layers=1, fuse_all=fuse_all)).double()
    image = prior.synthesis(codes(prior).double(), [noise.double() for noise in noises(prior)])
    assert image.shape == (2, 3, resolution, resolution)
    assert summary(image) == pytest.approx(expected, abs=EXACT)


@torch.no_grad()
def test_mapping_gives_the_golden_values() -> None:
    mapping = fill(Mapping(), hundredfold=lambda name: True).double()
    w = mapping(pat((2, 512), 1.7).double())
    expected = [0.828895, 1.741571, 2.188280, 0.077679, 4.552549]
    assert summary(w) == pytest.approx(expected, abs=EXACT)


@torch.no_grad()
def test_the_scale_of_z_does_not_matter() -> None:
    mapping = fill(Mapping(6, 8, 2), hundredfold=lambda name: True)
    z = pat((3, 6), 1.7)
    assert mapping(z).shape == (3, 8)
    torch.testing.assert_close(mapping(100 * z), mapping(z))


@pytest.mark.parametrize(
    ("fuse_all", "flops"),
    # Fusing saves 5/9 of the four up-convolutions up to 64 px.
    [(False, 64_470_384_640), (True, 64_470_384_640 - 8_891_924_480)],
)
def test_flops_of_one_image(fuse_all: bool, flops: int) -> None:
    prior = on_meta(1024, fuse_all)
    with FlopCounterMode(display=False) as counter:
        prior.synthesis(torch.empty(1, 18, 512, device="meta"))
    assert counter.get_total_flops() == flops
    convs = {8: (512, 512), 16: (512, 512), 32: (512, 512), 64: (512, 256)}
    saved = sum(2 * a * b * (9 - 4) * side**2 for side, (a, b) in convs.items())
    assert saved == 8_891_924_480


def test_frozen_weights_cost_one_forward_more() -> None:
    """PULSE's step is 2.0 forwards, not the 3.0 of training."""
    prior = on_meta(1024).requires_grad_(False)
    ws = torch.empty(1, 18, 512, device="meta", requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        prior.synthesis(ws).sum().backward()
    assert counter.get_total_flops() / 64_470_384_640 == pytest.approx(2.0, rel=1e-3)


# --- layers ------------------------------------------------------------------------------------


def test_the_fused_kernel_is_the_sum_of_four_shifts() -> None:
    kernel = torch.arange(1.0, 10).view(3, 3)
    by_hand = torch.zeros(4, 4)
    for row in (0, 1):
        for column in (0, 1):
            by_hand[row : row + 3, column : column + 3] += kernel
    assert torch.equal(four_shifts(kernel), by_hand)


@pytest.mark.parametrize("fuse", [False, True])
@pytest.mark.parametrize(("side", "flipped"), [(64, False), (128, True)])
@torch.no_grad()
def test_an_up_convolution_is_nearest_convolution_blur_bias(
    side: int, flipped: bool, fuse: bool
) -> None:
    layer = fill(UpConv(4, 3, side, fuse))
    x = pat((2, 4, side // 2, side // 2), 0.7)
    weight = layer.weight * math.sqrt(2 / (4 * 9))
    weight = weight.flip(2, 3) if flipped else weight
    wide = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    blurred = functional.conv2d(wide, weight, padding=1)
    for channel in range(3):
        one = blurred[:, channel : channel + 1]
        blurred[:, channel] = functional.conv2d(one, layer.intermediate.kernel, padding=1)[:, 0]
    expected = blurred + layer.bias.view(1, 3, 1, 1)
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_an_epilogue_is_noise_activation_normalisation_style_in_this_order() -> None:
    layer = fill(Epilogue(3, 8)).double()
    layer.noise.weight.mul_(20)
    x, w, noise = (pat(s, 0.4).double() for s in ((2, 3, 4, 4), (2, 8), (1, 1, 4, 4)))
    y = x + noise * layer.noise.weight.view(1, 3, 1, 1)
    y = torch.where(y < 0, 0.2 * y, y)
    y = y - y.mean((2, 3), keepdim=True)
    y = y / torch.sqrt(y.square().mean((2, 3), keepdim=True) + 1e-5)
    style = layer.style_mod.lin
    s = (w @ style.weight.T / math.sqrt(8) + style.bias).view(2, 2, 3, 1, 1)
    expected = y * (s[:, 0] + 1) + s[:, 1]
    torch.testing.assert_close(layer(x.clone(), w, noise), expected)


@torch.no_grad()
def test_flat_maps_show_the_eps_of_pytorch() -> None:
    """Variance 1e-5: eps 1e-5 halves it; TensorFlow's 1e-8 would leave it."""
    x = torch.tensor([-1.0, 1.0]).repeat(8).view(1, 1, 4, 4) * math.sqrt(1e-5)
    normed = adain(x, torch.ones(1, 1), torch.zeros(1, 1))
    assert normed.std(correction=0).item() == pytest.approx(math.sqrt(0.5), abs=1e-4)


@torch.no_grad()
def test_a_fresh_network_is_the_originals_start() -> None:
    """Constants and their biases one, strengths and biases zero, weights N(0, 1 / lr_mul^2)."""
    prior = StyleGAN1(8, channel_max=64, w_dim=64, z_dim=64)
    state = prior.state_dict()
    ones = {"synthesis.blocks.4x4.const", "synthesis.blocks.4x4.bias"}
    for name, value in state.items():
        if name in ones:
            assert bool((value == 1).all()), name
        elif value.ndim == 1:
            assert not value.any(), name
        elif not name.endswith("kernel"):
            deviation = 100.0 if name.startswith("mapping.") else 1.0
            assert value.std().item() == pytest.approx(deviation, rel=0.3), name


# --- noise, features, samples ------------------------------------------------------------------


def test_two_codes_and_two_noise_maps_belong_to_each_side() -> None:
    prior = on_meta(1024)
    assert prior.num_codes == prior.synthesis.num_codes == 18
    assert prior.noise_shapes == [(2 ** (i // 2 + 2), 2 ** (i // 2 + 2)) for i in range(18)]
    assert on_meta(128).num_codes == 12


@torch.no_grad()
def test_kinds_of_noise() -> None:
    prior = small()
    ws = codes(prior, batch=1).expand(2, -1, -1)
    zeros = [torch.zeros(1, 1, *shape) for shape in prior.noise_shapes]
    plain = prior.synthesis(ws)
    torch.testing.assert_close(plain, prior.synthesis(ws, zeros))
    assert torch.equal(plain, prior.synthesis(ws, "none"))
    assert torch.equal(plain[0], plain[1])

    def drawn(seed: int) -> Tensor:
        return prior.synthesis(ws, "random", generator=torch.Generator().manual_seed(seed))

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert not torch.equal(drawn(1)[0], drawn(1)[1])  # each image has its own


@pytest.mark.parametrize("index", range(6))
@torch.no_grad()
def test_code_and_noise_of_a_layer_act_from_that_layer_on(index: int) -> None:
    prior = small()
    ws, maps = codes(prior), noises(prior)
    before = prior.synthesis(ws, maps, features=True)[1]
    changed_ws = ws.clone()
    changed_ws[:, index] += 1
    changed_maps = [m + m.flip(-1) * (i == index) for i, m in enumerate(maps)]
    for after in (
        prior.synthesis(changed_ws, maps, features=True)[1],
        prior.synthesis(ws, changed_maps, features=True)[1],
    ):
        first = 4 * 2 ** (index // 2)
        assert [side for side in before if not torch.equal(before[side], after[side])] == [
            side for side in (4, 8, 16) if side >= first
        ]


@torch.no_grad()
def test_features_are_the_outputs_of_the_blocks() -> None:
    prior = small(32)
    image, features = prior.synthesis(codes(prior), noises(prior), features=True)
    assert {side: tuple(x.shape) for side, x in features.items()} == {
        side: (2, 16, side, side) for side in (4, 8, 16, 32)
    }
    assert torch.equal(prior.synthesis.torgb(features[32]), image)
    assert torch.equal(prior.synthesis(codes(prior), noises(prior)), image)


@torch.no_grad()
def test_samples_of_a_batch_do_not_meet() -> None:
    prior = small(128).double()
    ws, maps = codes(prior, 3).double(), [m.double() for m in noises(prior, 3)]
    together = prior.synthesis(ws, maps)
    for i in range(3):
        alone = prior.synthesis(ws[i : i + 1], [m[i : i + 1] for m in maps])
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-9, atol=1e-9)


def test_gradients_reach_codes_and_noise_of_a_frozen_prior() -> None:
    prior = small()
    ws = codes(prior).requires_grad_()
    maps = [m.requires_grad_() for m in noises(prior, batch=2)]
    prior.synthesis(ws, maps).square().mean().backward()
    assert all(p.grad is None for p in prior.parameters())
    assert ws.grad is not None
    assert bool(ws.grad.abs().sum(2).gt(0).all())
    assert all(m.grad is not None and bool(m.grad.any()) for m in maps)


@pytest.mark.parametrize("fuse_all", [False, True])
def test_gradients_are_right(fuse_all: bool) -> None:
    prior = small(8, fuse_all=fuse_all).double()
    maps = noises(prior)
    ws = codes(prior).double().requires_grad_()
    first = maps[0].double().requires_grad_()

    def run(ws: Tensor, first: Tensor) -> Tensor:
        return prior.synthesis(ws, [first, *(m.double() for m in maps[1:])]).sum((2, 3))

    assert torch.autograd.gradcheck(run, (ws, first))


def test_without_noise_the_constant_can_still_be_trained() -> None:
    prior = small().requires_grad_(True)
    prior.synthesis(codes(prior)).square().mean().backward()
    missing = [n for n, p in prior.synthesis.named_parameters() if p.grad is None]
    assert missing
    assert all(name.endswith("noise.weight") for name in missing)


@torch.no_grad()
def test_half_precision_stays_close() -> None:
    prior = small()
    exact = prior.synthesis(codes(prior), noises(prior))
    with torch.autocast("cpu", torch.bfloat16):
        coarse, features = prior.synthesis(codes(prior), noises(prior), features=True)
    assert {x.dtype for x in features.values()} == {torch.bfloat16}  # at half the memory
    assert torch.isfinite(coarse).all()
    assert (coarse.float() - exact).abs().mean() < 0.03 * exact.std()


def test_official_files_load_by_identity() -> None:
    given = {name: pat(shape, 0.1) for name, shape in official_shapes(128).items()}
    given |= {k: v for k, v in StyleGAN1(128).synthesis.state_dict().items() if "kernel" in k}
    synthesis = on_meta(128).synthesis
    result = synthesis.load_state_dict(given, strict=True, assign=True)
    assert not result.missing_keys
    assert not result.unexpected_keys
    assert not any(t.is_meta for t in chain(synthesis.parameters(), synthesis.buffers()))


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("resolution", [0, 4, 100])
def test_impossible_sizes_are_refused(resolution: int) -> None:
    with pytest.raises(ConfigError, match=rf"{resolution} px.*power of two"):
        StyleGAN1(resolution)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda ws, maps: (ws[:, :5], maps), r"ws is \(2, 5, 8\).*\(N, 6, 8\)"),
        (lambda ws, maps: (ws[:, 0], maps), r"ws is \(2, 8\)"),
        (lambda ws, maps: (ws, maps[:5]), r"5 noise maps.*takes 6"),
        (lambda ws, maps: (ws, [*maps[:5], maps[0]]), r"Noise map 5 is \(1, 1, 4, 4\)"),
        (lambda ws, maps: (ws, [m.expand(3, -1, -1, -1) for m in maps]), "Noise map 0"),
        (lambda ws, maps: (ws, [m[0] for m in maps]), "Noise map 0"),
    ],
)
def test_wrong_shapes_are_refused(
    change: Callable[[Tensor, list[Tensor]], tuple[Tensor, list[Tensor]]], sentence: str
) -> None:
    prior = small()
    with pytest.raises(ValueError, match=sentence):
        prior.synthesis(*change(codes(prior), noises(prior)))


def test_stored_noise_is_refused() -> None:
    prior = small()
    with pytest.raises(ConfigError, match=r"'const'.*stores no noise maps"):
        prior.synthesis(codes(prior), "const")


def test_a_convolution_keeps_the_size() -> None:
    x = torch.zeros(1, 4, 5, 5)
    assert EqualConv(4, 2)(x).shape == EqualConv(4, 2, kernel=1)(x).shape == (1, 2, 5, 5)
