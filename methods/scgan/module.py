"""SCGAN as a method of the suite: its arguments, and one training step in the official order."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.optim import Adam

from facesr_bench.errors import ConfigError
from facesr_bench.method import Batch, Method

from pytorch_lightning.core.optimizer import LightningOptimizer  # isort: skip  (see method.py)

from .building import Init
from .checkpoint import from_official, network_of
from .critics import Discriminator
from .cycle import SemiCycle
from .losses import WeightsName
from .networks import Degrader, Layout, Noise, Restorer
from .output import Output, to_picture
from .schedule import Sched, learning_rate
from .variants import Branches, CycleGrad, Share, Switches, check_choice


class SCGAN(Method):
    """Two semi-cycles coupled by one restoration network (Hou et al., TIP 2023).

    Defaults are the official code's; the paper's text, where it differs, is a switch. Images are
    RGB in [0, 1] at the border, BGR in [-1, 1] inside.

    Args:
        hr_size: side of the HR images.
        factor: HR side over LR side; R_LS's first ``log2(factor)`` groups double the side.
        restore_widths: channels of R_LS's groups and head.
        restore_depths: residual blocks of R_LS's groups (the paper's text: 12, 3, 2).
        degrade_widths: channels of the encoder of D_HL and D_SL.
        degrade_head: channels inside their head.
        degrade_layout: "code", or "paper" (6 + 6 blocks with three degrade_widths).
        critic_widths: channels of the critics' residual blocks.
        critic_hidden: units between the critics' linear layers; None for one layer (paper).
        noise_dim: length of z (for ``noise="fc"``).
        noise: z through a linear layer (code) or as a noise plane (paper).
        bgr: networks see BGR (needed for the released weights).
        skip_relu: skips of the generators see ReLU(x) (code) or x (paper).
        g_spectral_norm: spectral norm in the generators too (paper).
        init: the generators' initialisation: PyTorch's (code) or Kaiming's (paper).
        align_corners: of the bicubic target.
        output: "clamp", or "official": images as the official test script writes them.
        branches: see :class:`~.variants.Switches`, as all up to ``gamma``.
        share: what D_SL shares with D_HL.
        adv: true, false or the list of critics to keep.
        pix: pixel terms.
        cyc: cycle terms.
        weights: weights of L1 and adversarial terms.
        cycle_grad: "none" (code), "backward" (R_LS learns from c too) or "full" (through all).
        critic_concat: one critic call for real and fake.
        theta: weight of R_LS's forward half.
        gamma: weight of its backward half.
        lr: Adam's learning rate at the top of the schedule.
        lr_floor: at its bottom.
        lr_half_period: epochs (of the HR split's length) from top to bottom.
        sched: see :func:`~.schedule.learning_rate`.
        channels_last: keep networks and images in channels_last memory format.
        compile: compile the generators with ``torch.compile``.
    """

    paper: ClassVar[str] = (
        "Hou et al., Semi-Cycled Generative Adversarial Networks for Real-World Face "
        "Super-Resolution, IEEE TIP 2023"
    )
    reference: ClassVar[str] = "https://github.com/HaoHou-98/SCGAN at 0d6f12a0"
    pairing: ClassVar[Literal["paired", "unpaired"]] = "unpaired"

    def __init__(
        self,
        *,
        hr_size: int = 64,
        factor: int = 4,
        restore_widths: Sequence[int] = (256, 128, 96),
        restore_depths: Sequence[int] = (12, 3),
        degrade_widths: Sequence[int] = (96, 128, 256, 512),
        degrade_head: int = 8,
        degrade_layout: Layout = "code",
        critic_widths: Sequence[int] = (128, 128, 256, 256, 512, 512),
        critic_hidden: int | None = 512,
        noise_dim: int = 64,
        noise: Noise = "fc",
        bgr: bool = True,
        skip_relu: bool = True,
        g_spectral_norm: bool = False,
        init: Init = "default",
        align_corners: bool = True,
        output: Output = "clamp",
        branches: Branches = "both",
        share: Share = "none",
        adv: bool | Sequence[str] = True,
        pix: bool = True,
        cyc: bool = True,
        weights: WeightsName = "code",
        cycle_grad: CycleGrad = "none",
        critic_concat: bool = False,
        theta: float = 1.0,
        gamma: float = 0.05,
        lr: float = 1e-4,
        lr_floor: float = 1e-5,
        lr_half_period: int = 10,
        sched: Sched = "cosine",
        channels_last: bool = True,
        compile: bool = False,
    ) -> None:
        super().__init__()
        for name, value, literal in (
            ("noise", noise, Noise),
            ("init", init, Init),
            ("sched", sched, Sched),
            ("output", output, Output),
            ("degrade_layout", degrade_layout, Layout),
        ):
            check_choice(name, value, literal)
        self.automatic_optimization = False
        if hr_size % factor:
            raise ConfigError(f"SCGAN: hr_size={hr_size} is not a multiple of factor={factor}.")
        self.factor = factor
        self.hr_size, self.bgr, self.output = hr_size, bgr, output
        self.nets = SemiCycle(
            degrader=partial(
                Degrader,
                hr_size=hr_size,
                factor=factor,
                widths=tuple(degrade_widths),
                head_width=degrade_head,
                layout=degrade_layout,
                noise_dim=noise_dim,
                noise=noise,
                skip_relu=skip_relu,
                sn=g_spectral_norm,
            ),
            restorer=partial(
                Restorer,
                widths=tuple(restore_widths),
                depths=tuple(restore_depths),
                factor=factor,
                skip_relu=skip_relu,
                sn=g_spectral_norm,
            ),
            critic=partial(Discriminator, widths=tuple(critic_widths), hidden=critic_hidden),
            lr_size=hr_size // factor,
            switches=Switches(
                branches=branches,
                share=share,
                adv=adv if isinstance(adv, bool | str) else tuple(adv),
                pix=pix,
                cyc=cyc,
                weights=weights,
                cycle_grad=cycle_grad,
                critic_concat=critic_concat,
                theta=theta,
                gamma=gamma,
            ),
            align_corners=align_corners,
            init=init,
        )
        self._rate = partial(
            learning_rate, base=lr, floor=lr_floor, half_period=lr_half_period, sched=sched
        )
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self.nets.to(memory_format=self._format)  # type: ignore[call-overload]
        if compile:
            if g_spectral_norm:
                raise ConfigError("SCGAN: compile=true cannot go with g_spectral_norm=true.")
            self.nets.compile_generators()

    # -- training: the official order -------------------------------------------------------------

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One step on unpaired HR and LR faces.

        1. s = D_HL(h, z), S = R_LS(s), R = R_LS(l), c = D_SL(R, z), gradients stopped in between.
        2. Critics D_L1, D_H1, D_L2, D_H2: hinge loss on (real, fake), then a step each.
        3.-5. D_HL, R_LS, D_SL: their objectives against the critics of step 2, then a step each.
        """
        nets = self.nets
        adams = self._adams()
        h, l = self.to_network(batch["hr"]), self.to_network(batch["lr"])  # noqa: E741
        z = self.noise("z", len(h), *nets.noise_shape)
        losses: dict[str, Tensor] = {}

        seen = nets.reconstruct(h, l, z)

        for critic in nets.switches.critics:
            loss = nets.critic_loss(critic, seen)
            losses[f"D_{critic}"] = loss
            self._descend(loss, [adams[f"D_{critic}"]])

        # The official code lets the generators' losses leave gradients in the critics and throws
        # them away; not computing them changes no number.
        nets.critics.requires_grad_(False)
        for team in nets.teams():
            objectives = []
            for name in team:
                objective, terms = nets.generator_loss(name, seen)
                losses |= terms
                if objective is not None:
                    losses[name] = objective
                    objectives.append(objective)
            self._descend(torch.stack(objectives).sum(), [adams[n] for n in team if n in adams])
        nets.critics.requires_grad_(True)

        self.log_losses(losses)

    def _descend(self, loss: Tensor, adams: Sequence[LightningOptimizer]) -> None:
        for adam in adams:
            adam.zero_grad()
        self.manual_backward(loss)
        for adam in adams:
            adam.step()

    def _adams(self) -> dict[str, LightningOptimizer]:
        """This step's optimisers by the name of their network, at the schedule's rate."""
        adams = dict(zip(self.nets.players(), self.optimizers(), strict=True))  # type: ignore[arg-type]
        rate = self._rate(self.epoch + 1)
        for adam in adams.values():
            for group in adam.param_groups:
                group["lr"] = rate
        return adams

    def configure_optimizers(self) -> list[Adam]:
        """An Adam for every network; D_HL and D_SL have one together if they share layers."""
        fused = self.device.type in {"cpu", "cuda"}
        return [
            Adam(parameters, lr=self._rate(1), betas=(0.9, 0.999), fused=fused)
            for parameters in self.nets.players().values()
        ]

    # -- inference --------------------------------------------------------------------------------

    def super_resolve(self, lr: Tensor) -> Tensor:
        """One forward of R_LS; (B, 3, h, w) RGB in [0, 1] -> (B, 3, factor*h, factor*w), the same.

        ``output`` says how the network's [-1, 1] become a picture.
        """
        return self._to_rgb(self.nets.R_LS(self.to_network(lr)))

    def cycles(self, hr: Tensor, lr: Tensor, rngs: Sequence[torch.Generator]) -> dict[str, Tensor]:
        """s, S, R and c of the chosen branches, for ``facesr-bench cycles`` (Fig. 2)."""
        shape = self.nets.noise_shape
        z = torch.stack([torch.randn(shape, generator=rng) for rng in rngs]).to(hr.device)
        seen = self.nets.reconstruct(self.to_network(hr), self.to_network(lr), z)
        images = {
            "hr_degraded": seen.s,
            "hr_degraded_restored": seen.S,
            "lr_restored": seen.R,
            "lr_restored_degraded": seen.c,
        }
        return {n: self._to_rgb(image) for n, image in images.items() if image is not None}

    def _to_rgb(self, image: Tensor) -> Tensor:
        picture = to_picture(image.float(), self.output)
        return (picture.flip(1) if self.bgr else picture).contiguous()

    def to_network(self, rgb: Tensor) -> Tensor:
        """RGB in [0, 1] -> what the networks see: [-1, 1], BGR if so trained."""
        image = rgb.flip(1) if self.bgr else rgb
        return image.mul(2).sub(1).contiguous(memory_format=self._format)

    def inference_modules(self) -> Sequence[nn.Module]:
        """R_LS alone runs at test time."""
        return [self.nets.R_LS]

    def check_sizes(self, lr: tuple[int, int], hr: tuple[int, int]) -> None:
        """The critics and the noise layer are built for one HR size."""
        super().check_sizes(lr, hr)
        if hr != (self.hr_size, self.hr_size):
            raise ConfigError(
                f"SCGAN is built for HR faces of {self.hr_size}x{self.hr_size}, but the data have "
                f"{hr[0]}x{hr[1]}; set method.hr_size={hr[0]}."
            )

    def adapt_state_dict(self, content: Mapping[str, Any]) -> dict[str, Tensor]:
        """Weights for the whole method from a file that may hold fewer networks, or official ones.

        Networks that the file does not hold keep what they have: R_LS alone is enough to test.
        """
        state = content.get("state_dict", content)
        if not any(name.startswith("nets.") for name in state):
            state = {
                f"nets.{place}.{name}": value
                for place, network in from_official(content).items()
                for name, value in network.items()
            }
        held = {network_of(name) for name in state}
        own = {n: v for n, v in self.state_dict().items() if network_of(n) not in held}
        return own | dict(state)
