"""CycleGAN as a method of the suite: its arguments and one training step."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.optim import Adam

from facesr_bench.errors import ConfigError
from facesr_bench.method import Batch, Method

from pytorch_lightning.core.optimizer import LightningOptimizer  # isort: skip  (see method.py)

# SCGAN's networks, recipe and output: the two methods differ in their cycles alone.
from ..scgan.critics import Discriminator
from ..scgan.networks import Degrader, Restorer
from ..scgan.output import to_picture
from ..scgan.schedule import learning_rate
from .losses import Gan
from .translation import Translation


class CycleGAN(Method):
    """One network each way, two critics on translations, cycles both ways (reference [32] of SCGAN).

    Args:
        hr_size: side of the HR images.
        factor: HR side over LR side.
        restore_widths: channels of F's groups and head (SCGAN's R_LS).
        restore_depths: residual blocks of F's groups.
        degrade_widths: channels of G's encoder (SCGAN's D_HL).
        degrade_head: channels inside G's head.
        critic_widths: channels of the critics' residual blocks.
        critic_hidden: units between the critics' linear layers.
        noise_dim: length of z, which G takes beside its image.
        gan: "hinge" (SCGAN's paper) or "least_squares" (CycleGAN's).
        pix: the pixel term that SCGAN's paper adds, L1(G(h), h averaged down).
        l1_weight: weight of cycle and pixel terms.
        adv_weight: weight of adversarial terms.
        lr: Adam's learning rate at the top of the schedule.
        lr_floor: at its bottom.
        lr_half_period: epochs (of the HR split's length) from top to bottom.
    """

    paper: ClassVar[str] = (
        "Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial "
        "Networks, ICCV 2017; as a competitor in Hou et al., IEEE TIP 2023"
    )
    reference: ClassVar[str] = "none: neither paper published this x4 training"
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
        critic_widths: Sequence[int] = (128, 128, 256, 256, 512, 512),
        critic_hidden: int | None = 512,
        noise_dim: int = 64,
        gan: Gan = "hinge",
        pix: bool = True,
        l1_weight: float = 1.0,
        adv_weight: float = 0.05,
        lr: float = 1e-4,
        lr_floor: float = 1e-5,
        lr_half_period: int = 10,
    ) -> None:
        super().__init__()
        if gan not in ("hinge", "least_squares"):
            raise ConfigError(f"CycleGAN: gan={gan!r} is not one of hinge, least_squares.")
        if l1_weight <= 0 or adv_weight <= 0:
            raise ConfigError("CycleGAN: l1_weight and adv_weight must be positive.")
        if hr_size % factor:
            raise ConfigError(f"CycleGAN: hr_size={hr_size} is not a multiple of factor={factor}.")
        self.automatic_optimization = False
        self.factor, self.hr_size, self.pix = factor, hr_size, pix
        self._weights = {"adv": adv_weight, "cyc": l1_weight, "pix": l1_weight}
        self.nets = Translation(
            degrader=partial(
                Degrader,
                hr_size=hr_size,
                factor=factor,
                widths=tuple(degrade_widths),
                head_width=degrade_head,
                noise_dim=noise_dim,
            ),
            restorer=partial(
                Restorer,
                widths=tuple(restore_widths),
                depths=tuple(restore_depths),
                factor=factor,
            ),
            critic=partial(Discriminator, widths=tuple(critic_widths), hidden=critic_hidden),
            lr_size=hr_size // factor,
            gan=gan,
        )
        self.nets.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._rate = partial(learning_rate, base=lr, floor=lr_floor, half_period=lr_half_period)

    # -- training ---------------------------------------------------------------------------------

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One step on unpaired HR and LR faces: the critics', then both generators' together."""
        nets = self.nets
        both, *critics = self._adams()
        h, l = self._to_network(batch["hr"]), self._to_network(batch["lr"])  # noqa: E741
        seen = nets.both_cycles(h, l, self.noise("z", len(h), *nets.G.noise_shape))

        losses = nets.critic_losses(seen)
        for loss, adam in zip(losses.values(), critics, strict=True):
            self._descend(loss, adam)

        judges = (nets.D_L, nets.D_H)
        for critic in judges:
            critic.requires_grad_(False)  # their gradients of this objective are nobody's
        terms = nets.generator_terms(seen, pix=self.pix)
        objective = torch.stack(
            [self._weights[name.split("_")[0]] * term for name, term in terms.items()]
        ).sum()
        self._descend(objective, both)
        for critic in judges:
            critic.requires_grad_(True)

        self.log_losses({**losses, "generators": objective, **terms})

    def _descend(self, loss: Tensor, adam: LightningOptimizer) -> None:
        adam.zero_grad()
        self.manual_backward(loss)
        adam.step()

    def _adams(self) -> list[LightningOptimizer]:
        """This step's optimisers, of the generators and of each critic, at the schedule's rate."""
        adams: list[LightningOptimizer] = self.optimizers()  # type: ignore[assignment]
        rate = self._rate(self.epoch + 1)
        for adam in adams:
            for group in adam.param_groups:
                group["lr"] = rate
        return adams

    def configure_optimizers(self) -> list[Adam]:
        """One Adam for G and F together, as their objective is one, and one for each critic."""
        nets = self.nets
        owners = ([nets.G, nets.F], [nets.D_L], [nets.D_H])
        fused = self.device.type in {"cpu", "cuda"}
        return [
            Adam(
                [p for module in modules for p in module.parameters() if p.requires_grad],
                lr=self._rate(1),
                fused=fused,
            )
            for modules in owners
        ]

    # -- inference --------------------------------------------------------------------------------

    def super_resolve(self, lr: Tensor) -> Tensor:
        """One forward of F; (B, 3, h, w) RGB in [0, 1] -> (B, 3, factor*h, factor*w), the same."""
        sr: Tensor = self.nets.F(self._to_network(lr)).float()
        return to_picture(sr, "clamp").contiguous()

    def cycles(self, hr: Tensor, lr: Tensor, rngs: Sequence[torch.Generator]) -> dict[str, Tensor]:
        """s, S, R and c, for ``facesr-bench cycles`` (SCGAN's Fig. 2)."""
        shape = self.nets.G.noise_shape
        z = torch.stack([torch.randn(shape, generator=rng) for rng in rngs]).to(hr.device)
        seen = self.nets.both_cycles(self._to_network(hr), self._to_network(lr), z)
        images = {
            "hr_degraded": seen.s,
            "hr_degraded_restored": seen.S,
            "lr_restored": seen.R,
            "lr_restored_degraded": seen.c,
        }
        return {n: to_picture(image.float(), "clamp").contiguous() for n, image in images.items()}

    @staticmethod
    def _to_network(rgb: Tensor) -> Tensor:
        """[0, 1] -> [-1, 1]; RGB stays, there are no released weights to please."""
        return rgb.mul(2).sub(1).contiguous(memory_format=torch.channels_last)

    def inference_modules(self) -> Sequence[nn.Module]:
        """F alone runs at test time."""
        return [self.nets.F]

    def check_sizes(self, lr: tuple[int, int], hr: tuple[int, int]) -> None:
        """The critics and the noise layer are built for one HR size."""
        super().check_sizes(lr, hr)
        if hr != (self.hr_size, self.hr_size):
            raise ConfigError(
                f"CycleGAN is built for HR faces of {self.hr_size}x{self.hr_size}, but the data "
                f"have {hr[0]}x{hr[1]}; set method.hr_size={hr[0]}."
            )
