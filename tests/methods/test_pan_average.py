"""PAN's average: it forgets by half-life, it super-resolves, it is the weight file."""

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytest
import torch
from torch import Tensor, nn

from facesr_bench.checkpoints import load_weights
from facesr_bench.methods.pan import PAN
from facesr_bench.methods.pan.fade import down2, up2
from facesr_bench.methods.pan.noise import FixedNoise
from methods.pan_fitting import Faces, build, fit, one_stage


def test_the_average_forgets_half_in_its_half_life() -> None:
    method = build(budget=one_stage(16, False, images=12), ema_half_life=8)
    weights: list[Tensor] = []
    averages: list[Tensor] = []

    def look(m: PAN) -> None:
        weights.append(m.G.mid.weight.detach().clone())
        averages.append(m.G_ema.mid.weight.clone())

    fit(method, 12, look)
    kept = 0.5 ** (4 / 8)
    for step in (1, 2):
        expected = kept * averages[step - 1] + (1 - kept) * weights[step - 1]
        torch.testing.assert_close(averages[step], expected)
    assert method.G.mid.weight.data_ptr() != method.G_ema.mid.weight.data_ptr()
    assert not any(p.requires_grad for p in method.G_ema.parameters())


def test_super_resolution_runs_the_average() -> None:
    method = build().eval()
    lr = Faces(32, 2).lr
    first = method.super_resolve(lr)
    with torch.no_grad():
        method.G.mid.weight.zero_()
        assert torch.equal(method.super_resolve(lr), first)
        method.G_ema.mid.weight.zero_()
        assert not torch.equal(method.super_resolve(lr), first)
    assert first.shape == (8, 3, 32, 32)
    assert method.inference_modules() == [method.G_ema]


@pytest.mark.parametrize("noise_eval", ["random", "zero"])
def test_noise_at_test_time_is_the_same_for_every_batch(noise_eval: str) -> None:
    method = build(noise_eval=noise_eval).eval()
    lr = Faces(32, 2).lr
    quiet = method.super_resolve(lr)
    with torch.no_grad():
        for name, p in method.G_ema.named_parameters():
            if "noise" in name:
                p.fill_(0.5)
        whole = method.super_resolve(lr)
        alone = torch.cat([method.super_resolve(image[None]) for image in lr])
    torch.testing.assert_close(whole, alone, atol=1e-6, rtol=0)
    assert torch.equal(whole, quiet) == (noise_eval == "zero")
    maps = FixedNoise(0)("32.up", torch.empty(2, 5, 4, 4))
    assert maps.shape == (1, 1, 4, 4)
    assert not torch.equal(maps, FixedNoise(1)("32.up", torch.empty(2, 5, 4, 4)))


def test_the_average_alone_is_a_whole_weight_file() -> None:
    method = build()
    exported = {n: v + 1 for n, v in method.state_dict().items() if n.startswith("G_ema.")}
    state = method.adapt_state_dict(exported)
    method.load_state_dict(state, strict=True)
    for name, p in method.G.named_parameters():
        assert torch.equal(p, exported[f"G_ema.{name}"])
    distance = build(objective="l1")
    assert distance.D is None
    load_weights(distance, exported, "exported")


def test_previews_show_lr_beside_the_average_at_its_stage() -> None:
    method = build()
    sheets: list[Tensor] = []
    lr: list[Tensor] = []

    def look(m: PAN) -> None:
        lr.append(m._shown.clone() if m._shown is not None else torch.empty(0))
        with torch.no_grad():
            image = m.preview()
        assert image is not None
        sheets.append(image)

    assert method.preview() is None
    fit(method, look=look)
    assert all(torch.equal(first, lr[0]) for first in lr)
    for sheet in sheets:
        assert sheet.shape == (4, 3, 32, 64)
        assert sheet.min() >= 0 and sheet.max() <= 1
    last = sheets[-1]
    shown = nn.functional.interpolate(lr[0], (32, 32), mode="nearest")
    torch.testing.assert_close(last[..., :32], shown)
    with torch.no_grad():
        torch.testing.assert_close(last[..., 32:], method.super_resolve(lr[0]))
    # after 12 images, a quarter of the way from 8 px to 16 px
    torch.testing.assert_close(
        sheets[1][..., :32],
        nn.functional.interpolate(
            0.25 * lr[0] + 0.75 * up2(down2(lr[0])), (32, 32), mode="nearest"
        ),
    )
