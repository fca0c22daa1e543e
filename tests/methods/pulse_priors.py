"""Small random priors for the tests of PULSE."""

import torch

from facesr_bench.nets.stylegan1.generator import StyleGAN1
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.priors import LoadedPrior


def stylegan2_prior(resolution: int = 32) -> LoadedPrior:
    """Noise strengths are not zero as a fresh network's are, or noise would have no gradient."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = StyleGAN2(resolution, 16, 16, 2, 256, 16)
        for name, value in network.named_parameters():
            if name.endswith("noise_strength"):
                value.data.normal_()
    return LoadedPrior("small2", network)


def stylegan1_prior(resolution: int = 32) -> LoadedPrior:
    """The same of the other family."""
    with torch.random.fork_rng():
        torch.manual_seed(6)
        network = StyleGAN1(resolution, 16, 16, 2, fmap_base=128, channel_max=16)
        for name, value in network.named_parameters():
            if name.endswith("noise.weight"):
                value.data.normal_()
    return LoadedPrior("small1", network)
