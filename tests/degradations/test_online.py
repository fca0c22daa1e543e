"""PAN's online degradation: on the workers, on the device, and what its draws depend on."""

import copy
import pickle

import numpy as np
import pytest
import torch

from facesr_bench.degradations.device import apply_steps
from facesr_bench.degradations.online import Online
from facesr_bench.degradations.steps import Blur, Jpeg, MotionBlur, Noise, Reduce, line_kernel
from facesr_bench.errors import ConfigError
from facesr_bench.images import to_float


def face(side=64):
    y, x = np.mgrid[0:side, 0:side] / side
    waves = [127 + 100 * np.sin(9 * x + k) * np.cos(7 * y - k) for k in range(3)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_draw_follows_from_the_generator_alone():
    degrade = Online(8)
    first = degrade(face(), rng(1))
    assert first.shape == (8, 8, 3) and first.dtype == np.uint8
    degrade(face(), rng(2))  # whatever came before
    np.random.seed(5)
    np.testing.assert_array_equal(degrade(face(), rng(1)), first)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(degrade))(face(), rng(1)), first)
    others = [degrade(face(), rng(seed)) for seed in range(2, 8)]
    assert sum(np.array_equal(first, other) for other in others) == 0


def test_every_step_is_applied_to_about_its_share():
    """With p=0 only the reduction is left; with p=1 every image differs from it."""
    plain = Online(8, p=0.0)(face(), rng())
    for seed in range(3):
        np.testing.assert_array_equal(Online(8, p=0.0)(face(), rng(seed)), plain)
        assert not np.array_equal(Online(8, p=1.0)(face(), rng(seed)), plain)
    clean = sum(np.array_equal(Online(8)(face(), rng(s)), plain) for s in range(200))
    assert 2 <= clean <= 28  # 200 / 2^4 = 12.5


def test_noise_is_rounded_not_truncated():
    grey = np.full((64, 64, 3), 127.0)
    step = Noise((25, 25))
    noisy = step.apply(grey, **step.draw(rng()))
    assert noisy.std() == pytest.approx(25, rel=0.03)
    assert abs(np.rint(noisy).mean() - 127) < 1


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 171])
def test_a_line_kernel_is_a_line_of_its_length(angle):
    kernel = line_kernel(9, angle)
    side = len(kernel)
    assert side == 11 and kernel.sum() == pytest.approx(1.0)
    y, x = np.mgrid[0:side, 0:side] - side // 2
    along = np.cos(np.radians(angle)) * x - np.sin(np.radians(angle)) * y
    across = np.sin(np.radians(angle)) * x + np.cos(np.radians(angle)) * y
    assert (kernel * along).sum() == pytest.approx(0, abs=1e-9)
    # A uniform line has variance L^2 / 12 along; sharing among four taps adds a little both ways.
    assert (kernel * along**2).sum() == pytest.approx(81 / 12, abs=0.4)
    assert (kernel * across**2).sum() < 0.4


STEPS = [
    (Blur((3, 3)), 0.02),
    (Reduce(4), 1e-3),
    (MotionBlur((7, 7)), 1e-3),
    (Jpeg((80, 80)), 2.5),
]


@pytest.mark.parametrize(("step", "tolerance"), STEPS, ids=lambda v: type(v).__name__)
def test_a_step_on_the_device_is_the_workers_step(step, tolerance):
    """JPEG is the exception: kornia's is about a level away from Pillow's."""
    image = face()
    params = step.draw(np.random.default_rng(0))

    class Fixed(type(step)):
        def __init__(self):
            self.__dict__.update(step.__dict__)
            self.p = 1.0

        def draw(self, rng):
            return params

    expected = np.rint(step.apply(image.astype(np.float64), **params).clip(0, 255))
    got = apply_steps([Fixed()], to_float(torch.from_numpy(image[None])), [rng()])
    gap = np.abs(got[0].permute(1, 2, 0).numpy() * 255 - expected)
    assert gap.mean() <= tolerance, gap.mean()


def test_the_device_version_draws_per_image_whatever_the_batch():
    degrade = Online(8, jpeg=(60, 100))
    images = to_float(torch.from_numpy(np.stack([face(), face()[::-1].copy(), face()])))
    whole = degrade.on_device(images, [rng(1), rng(2), rng(3)])
    assert whole.shape == (3, 3, 8, 8) and whole.min() >= 0 and whole.max() <= 1
    assert not torch.equal(whole[0], whole[2])
    again = degrade.on_device(images, [rng(1), rng(2), rng(3)])
    assert torch.equal(whole, again)


WIDE = {
    "blur": Blur((0.4, 4)),
    "motion": MotionBlur((3, 15)),
    "noise": Noise((1, 60)),
    "jpeg": Jpeg((10, 95)),
}


@pytest.mark.parametrize("step", WIDE)
@pytest.mark.parametrize("p", [1.0, 0.5])
def test_every_image_of_a_batch_is_degraded_as_if_it_were_alone(step, p):
    """One picture eight times, so that only the draws differ: by strength, field and coin."""
    degrade = copy.copy(WIDE[step])
    degrade.p = p
    images = to_float(torch.from_numpy(np.stack([face()] * 8)))
    whole = apply_steps([degrade], images, [rng(seed) for seed in range(8)])
    for seed in range(8):
        alone = apply_steps([degrade], images[:1], [rng(seed)])[0]
        # The filters of a batch have one size; what a shorter one leaves out is rounded away.
        assert (alone - whole[seed]).abs().max() < 1.5 / 255, seed
        untouched = rng(seed).random() >= p
        assert torch.equal(whole[seed], images[seed]) == untouched
    strengths = {whole[seed].std().item() for seed in range(8)}
    assert len(strengths) == (8 if p == 1.0 else 3)  # two of these coins fall, the others are plain


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"p": 1.5}, "probability"),
        ({"motion": [2.5, 3]}, "whole numbers"),
        ({"operator": "cubic"}, "none of"),
        ({"blur": [3, 1]}, "must run upwards"),
    ],
)
def test_arguments_that_cannot_be(arguments, said):
    with pytest.raises(ConfigError, match=said):
        Online(8, **arguments)
