"""Small DAP-FSR models on random priors, for its tests."""

from typing import Any

import torch
from torch import Tensor, nn

from facesr_bench.adaptation.contract import Exemplars
from facesr_bench.budget import Budget, Phase
from facesr_bench.method import TrainingContext
from facesr_bench.methods.dap_fsr import DAPFSR
from facesr_bench.nets.stylegan1.generator import StyleGAN1
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.priors import LoadedPrior

SMALL: dict[str, Any] = {
    "encoder_side": 64,
    "width": 4,
    "depths": (1, 1, 1, 1),
    "lateral": 8,
    "statistics_samples": 200,
    "features": "vgg19_random",
    "backbone_weights": None,
    "outer": 2,
    "inner": 2,
    "batch": 2,
}
HR, LR = 32, 16
BATCH = 4


def small_prior(family: str = "stylegan2", resolution: int = HR) -> LoadedPrior:
    """Random weights of a fixed seed; noise is not silent, so that forgetting it would show."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        if family == "stylegan1":
            return LoadedPrior(
                "small1", StyleGAN1(resolution, 16, 16, 2, fmap_base=128, channel_max=16)
            )
        network = StyleGAN2(resolution, 16, 16, 2, 256, 16)
        for name, value in network.named_parameters():
            if name.endswith("noise_strength"):
                value.data.normal_()
        return LoadedPrior("small2", network)


def build(seed: int = 0, family: str = "stylegan2", **arguments: Any) -> DAPFSR:
    """A bound model of seeded weights."""
    torch.manual_seed(seed)
    given = SMALL | {"hr_size": HR, "factor": HR // LR} | arguments
    method = DAPFSR(prior=small_prior(family), **given)
    budget = Budget([Phase("train", 10_000, BATCH)])
    method.bind(TrainingContext(seed=2020, budget=budget, train_images=100))
    return method


def faces(number: int = BATCH, seed: int = 7) -> dict[str, Tensor]:
    """Smooth blobs, and their reductions."""
    coarse = torch.rand(number, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    hr = nn.functional.interpolate(coarse, HR, mode="bilinear", align_corners=True)
    return {"hr": hr, "lr": nn.functional.avg_pool2d(hr, HR // LR)}


def exemplars(number: int = 1) -> Exemplars:
    """Faces of another domain: grey and dim."""
    hr = faces(number, seed=11)["hr"].mean(1, keepdim=True).expand(-1, 3, -1, -1) * 0.5 + 0.2
    lr = nn.functional.avg_pool2d(hr, HR // LR)
    return Exemplars(tuple(f"{i}.png" for i in range(number)), lr, hr.contiguous())
