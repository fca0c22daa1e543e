"""The critic D: StyleGAN2's discriminator trained on Eq. 9, and what keeps it from running away.

The paper states no Lipschitz constraint. Without any, L_D falls without end; the default is the one the
pretrained discriminator was trained with, R1, left out 15 steps in 16 and 16 times as heavy in between.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from facesr_bench.checkpoints import file_sha256, load_weights, read_checkpoint
from facesr_bench.errors import ConfigError, WeightsError
from facesr_bench.method import TrainingContext
from facesr_bench.nets.stylegan2 import Discriminator
from facesr_bench.nets.stylegan2.keys import discriminator_basicsr_to_ada
from facesr_bench.nets.stylegan2.losses import r1
from facesr_bench.priors.loaded import LoadedPrior
from facesr_bench.priors.shapes import stylegan2_sizes
from facesr_bench.seeding import torch_rng
from facesr_bench.weights.loading import load_state, locate

from .losses import critic_loss, gradient_penalty

Reg = Literal["r1", "wgan_gp", "none"]

_GP_WEIGHT, _DRIFT = 10.0, 0.001
_IN_RUN = "discriminator."
"""Where a checkpoint of ``+method=stylegan2`` keeps its discriminator."""


@dataclass(frozen=True)
class CriticObjective:
    """L_D and its regulariser.

    Args:
        reg: "r1", "wgan_gp" or "none" (the paper's text).
        gamma: of R1.
        r1_interval: steps from one R1 to the next.

    Raises:
        ConfigError: no such regulariser.
    """

    reg: Reg = "r1"
    gamma: float = 10.0
    r1_interval: int = 16

    def __post_init__(self) -> None:
        if self.reg not in get_args(Reg):
            raise ConfigError(
                f"Pro-PULSE: reg={self.reg} does not exist; choose {', '.join(get_args(Reg))}."
            )
        if self.r1_interval < 1:
            raise ConfigError("Pro-PULSE: r1_interval counts steps, from 1 on.")

    def __call__(
        self, critic: Discriminator, real: Tensor, fake: Tensor, step: int, at: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to descend, and its parts by name.

        Args:
            critic: gets the gradient.
            real: (N, 3, H, W) in [-1, 1].
            fake: the same, detached.
            step: number of the step, from 0; R1 is due on multiples of its interval.
            at: (N, 1, 1, 1) uniform in [0, 1), for "wgan_gp".
        """
        due = self.reg == "r1" and step % self.r1_interval == 0
        real = real.detach().requires_grad_() if due else real
        real_logits = critic(real)
        loss = critic_loss(real_logits, critic(fake))
        parts = {"D": loss}
        if due:
            parts["r1"] = self.gamma / 2 * r1(real_logits, real)
            loss = loss + self.r1_interval * parts["r1"]
        if self.reg == "wgan_gp" and at is not None:
            parts["gp"] = _GP_WEIGHT * gradient_penalty(critic, real, fake, at)
            loss = loss + parts["gp"] + _DRIFT * real_logits.square().mean()
        return loss, parts


def critic_of(prior: LoadedPrior) -> Discriminator:
    """An untrained discriminator of the prior's size."""
    sizes = stylegan2_sizes(prior.network.state_dict(), prior.name)
    return Discriminator(sizes["resolution"], sizes["channel_base"], sizes["channel_max"])


def load_critic(critic: Discriminator, source: str) -> dict[str, str]:
    """Start the critic from the discriminator the prior was trained against.

    Args:
        critic: takes the weights.
        source: registered weights with BasicSR's names ("stylegan2_ffhq_d_basicsr"), or the
            ``last.ckpt`` of a run of ``+method=stylegan2``.

    Returns:
        File name, sha256 and role, for the record.

    Raises:
        MissingRequirement: registered weights that are not here.
        WeightsError: a file without a discriminator, or of another size.
    """
    role = "start of the critic"
    if not source.endswith((".ckpt", ".safetensors")):
        file = locate(source)
        state = discriminator_basicsr_to_ada(load_state(file))
        load_weights(critic, {"state_dict": state}, source)
        return {"file": file.path.name, "sha256": file.sha256, "role": role}
    path = Path(source).expanduser()
    content = read_checkpoint(path)
    whole: dict[str, Tensor] = content.get("state_dict", content)
    inner = {k.removeprefix(_IN_RUN): v for k, v in whole.items() if k.startswith(_IN_RUN)}
    if not inner:
        raise WeightsError(
            f"{source} holds no discriminator; give the last.ckpt of a run of +method=stylegan2, or "
            "method.critic_weights=null for a random start."
        )
    load_weights(critic, {"state_dict": inner}, source)
    return {"file": path.name, "sha256": file_sha256(path), "role": role}


def places_between(context: TrainingContext, images_seen: int, rows: int) -> Tensor:
    """Where "wgan_gp" looks between real and fake: this rank's (rows, 1, 1, 1), uniform in [0, 1)."""
    generator = torch_rng(context.seed, "between", images_seen)
    every = torch.rand(rows * context.world_size, 1, 1, 1, generator=generator)
    return context.share(every)
