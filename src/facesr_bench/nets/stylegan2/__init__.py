"""StyleGAN2: generator, discriminator, losses, and the key maps of other people's files."""

from facesr_bench.nets.stylegan2.discriminator import Discriminator
from facesr_bench.nets.stylegan2.generator import StyleGAN2

__all__ = ["Discriminator", "StyleGAN2"]
