"""PAN as a method of the suite: its arguments, and one training step as the paper alternates it."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam

from facesr_bench.budget import Budget, Phase
from facesr_bench.errors import ConfigError
from facesr_bench.method import Batch, Method, TrainingContext
from facesr_bench.phases import check_resumed, rows_of, scaled

from pytorch_lightning.core.optimizer import LightningOptimizer  # isort: skip  (see method.py)

from .checkpoint import check_variant, complete_state, fade_facts
from .consistency import ConsistencyWatch
from .discriminator import Discriminator
from .fade import Stage, box_to, fade_data
from .generator import Generator, NoisePlace
from .losses import (
    Objective,
    discriminator_loss,
    distance,
    generator_loss,
    gradient_penalty,
)
from .noise import FixedNoise, TrainingNoise
from .passes import TwoPasses
from .preview import PREVIEWED, pairs
from .schedule import PhaseUnit, Recipe, check_phases, stage_at
from .variants import NoiseEval, check_choices, check_numbers, check_sides, check_skips


class PAN(Method):
    """Progressive adversarial network (Wong et al., 2020): a GAN alone makes the SR face.

    Images are RGB in [0, 1] at the border, [-1, 1] inside. The defaults are the paper's; what it does
    not say is StyleGAN's, whose 4-GPU preset its schedule is.

    Args:
        hr_size: side of the HR images, a power of two.
        factor: HR side over LR side, a power of two.
        pool: reduce the network's output by means of pool x pool pixels (Table 1: the x8 network's
            1024 px at 512); such a network cannot be trained on these data, only measured.
        channel_base: channels times side, where ``channel_max`` does not bind.
        channel_max: most channels of a layer.
        objective: "gan", or the distances of Table 2 without any discriminator: "l1", "l2".
        progressive: False trains the whole network from the start (Table 2).
        noise: which decoder layers get noise: "high" those above the LR side (Fig. 2), "all" (the
            text of section 5.5), "none" (Table 2).
        skip_resolutions: sides whose encoder features reach the decoder; "all", or a list.
        pixelnorm: normalise the decoder's features (ProGAN; the paper does not).
        phase_unit: what the recipe's lengths count, "images" or "iterations".
        gamma: weight of R1, without the 1/2.
        beta2: of both Adams (their beta1 is 0).
        ema_half_life: images after which the averaged generator has forgotten half; 0 averages
            nothing.
        flip: mirror half of the training faces.
        noise_eval: noise when super-resolving: "random" maps of one seed, or "zero".
        noise_seed: that seed.
        consistency_every: images between two measurements of LR consistency in the log.
        fused: StyleGAN's 4x4 kernels; the same function, see :mod:`~.layers`.
        channels_last: keep networks and images in channels_last memory format.
    """

    paper: ClassVar[str] = (
        "Wong et al., Perceptual Image Super-Resolution with Progressive Adversarial Network, "
        "arXiv 2003.03756, 2020"
    )
    reference: ClassVar[str] = "none: no official code was found"
    rank_dependent: ClassVar[str] = "lr_psnr is a logarithm, and a small share holds no whole group"

    def __init__(
        self,
        *,
        hr_size: int = 1024,
        factor: int = 8,
        pool: int = 1,
        channel_base: int = 16384,
        channel_max: int = 512,
        objective: Objective = "gan",
        progressive: bool = True,
        noise: NoisePlace = "high",
        skip_resolutions: str | Sequence[int] = "all",
        pixelnorm: bool = False,
        phase_unit: PhaseUnit = "images",
        gamma: float = 5.0,
        beta2: float = 0.99,
        ema_half_life: int = 10_000,
        flip: bool = True,
        noise_eval: NoiseEval = "random",
        noise_seed: int = 0,
        consistency_every: int = 10_000,
        fused: bool = False,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        check_choices(
            objective=objective, noise=noise, noise_eval=noise_eval, phase_unit=phase_unit
        )
        check_numbers(
            hr_size=hr_size, factor=factor, pool=pool, gamma=gamma, beta2=beta2,
            channel_base=channel_base, channel_max=channel_max, ema_half_life=ema_half_life,
            consistency_every=consistency_every, noise_seed=noise_seed,
        )  # fmt: skip
        self.automatic_optimization = False
        self.hr_size, self.factor, self.pool = hr_size, factor, pool
        self.lr_side, self.side = check_sides(hr_size, factor, pool)
        self.objective, self.progressive, self.phase_unit = objective, progressive, phase_unit
        self.gamma, self.beta2, self.ema_half_life = gamma, beta2, ema_half_life
        self.flip = flip
        skips = check_skips(skip_resolutions, self.lr_side)
        self.variant: dict[str, Any] = {
            "objective": objective, "progressive": progressive, "noise": noise,
            "skip_resolutions": sorted(skips), "pixelnorm": pixelnorm,
        }  # fmt: skip
        widths: dict[str, Any] = {"base": channel_base, "most": channel_max, "fused": fused}
        self.G = Generator(
            self.lr_side,
            self.side,
            noise=noise,
            skips=skips,
            pixelnorm=pixelnorm,
            **widths,
        )
        self.D = Discriminator(self.side, **widths) if objective == "gan" else None
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self.to(memory_format=self._format)  # type: ignore[call-overload]
        self.G_ema = copy.deepcopy(self.G).requires_grad_(False)
        self._noise_eval = FixedNoise(noise_seed) if noise_eval == "random" else None
        self._adam_phase: int | None = None  # number of the phase that Adam's moments belong to
        self._watch = ConsistencyWatch(consistency_every)
        self._shown: Tensor | None = None  # LR faces that previews follow

    # -- phases -----------------------------------------------------------------------------------

    def make_budget(self, config: Mapping[str, Any], images: int | None = None) -> Budget:
        """Phases from the ``budget`` block: its own ``phases``, or those of its recipe.

        Args:
            config: ``{phases: [{name, images, batch_size, side, fade, lr}, ...]}``, or any of
                :class:`~.schedule.Recipe`'s fields; an empty block is the paper's recipe.
            images: override of the total; phases shrink or grow in proportion.
        """
        if config.get("phases"):
            return scaled(Budget.from_config(config), images, "PAN")
        recipe = Recipe.from_config({k: v for k, v in config.items() if k != "phases"})
        phases = recipe.phases(self.side, progressive=self.progressive, unit=self.phase_unit)
        return scaled(Budget(phases), images, "PAN")

    def bind(self, context: TrainingContext) -> None:
        """Refuse a budget that this network cannot be trained by."""
        if self.pool > 1:
            raise ConfigError(
                f"PAN: with pool={self.pool} the network makes {self.side} px, for which these data "
                f"have no real images; train with pool=1 on data of {self.side} px, then measure here "
                "with stage=test."
            )
        group = 1 if self.D is None else self.D.GROUP
        check_phases(context.budget, self.side, context.world_size, group)
        super().bind(context)

    def _phase(self) -> tuple[int, Phase, Stage, bool]:
        """Number and phase of this step, its stage, and whether it is the phase's last step."""
        budget = self.context.budget
        phase, offset = budget.phase_at(self.images_seen)
        number, last = budget.number_at(self.images_seen), offset + phase.batch_size >= phase.images
        return number, phase, stage_at(phase, offset), last

    # -- training ---------------------------------------------------------------------------------

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One step at the current stage: D, then the average of G, then G.

        The LR faces are made from the very HR faces that the discriminator takes for real, but no
        term compares them (unless ``objective`` is a distance).
        """
        number, phase, stage, last = self._phase()
        adams = self._adams(number, float(phase.facts["lr"]))
        if self._shown is None:
            self._shown = batch["lr"][:PREVIEWED].clone()
        x, y = self.stage_images(batch, stage)
        if self.D is None:
            fake, losses = self._distance_step(x, y, stage, adams["G"])
        else:
            fake, losses = self._adversarial_step(self.D, x, y, stage, adams)
        losses["lr_psnr"] = self._watch(fake, x, self.images_seen, phase.batch_size, last)
        self.log_losses(losses)

    def stage_images(self, batch: Batch, stage: Stage) -> tuple[Tensor, Tensor]:
        """What a stage sees: LR (B, 3, s, s), s = min(r, LR side), and HR (B, 3, r, r), in [-1, 1]."""
        lr, hr = box_to(batch["lr"], min(stage.side, self.lr_side)), box_to(batch["hr"], stage.side)
        if self.flip:
            mirrored = self.noise("pan-flip", len(hr), 1, 1, 1) > 0
            lr, hr = (torch.where(mirrored, image.flip(3), image) for image in (lr, hr))
        return self._fade_lr(self.to_network(lr), stage), fade_data(self.to_network(hr), stage)

    def _fade_lr(self, x: Tensor, stage: Stage) -> Tensor:
        """LR faces fade in with the sides of the U-Net; above, they are whole."""
        return fade_data(x, stage) if stage.side <= self.lr_side else x

    def _adversarial_step(
        self,
        D: Discriminator,
        x: Tensor,
        y: Tensor,
        stage: Stage,
        adams: Mapping[str, LightningOptimizer],
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Eq. 3 for D, then Eq. 4 for G on faces with fresh noise."""
        passes = TwoPasses(self.G, x, stage, self._training_noise("D"), self._training_noise("G"))
        real = y.requires_grad_()
        on_real, on_fake = D(real, stage), D(passes.for_discriminator, stage)
        penalty = gradient_penalty(on_real, real)
        loss_d = discriminator_loss(on_real, on_fake, penalty, self.gamma)
        self._descend(loss_d, adams["D"])

        self._average()

        D.requires_grad_(False)
        fake = passes.for_generator()
        loss_g = generator_loss(D(fake, stage))
        self._descend(loss_g, adams["G"])
        D.requires_grad_(True)
        return fake, {"D": loss_d, "G": loss_g, "r1": penalty}

    def _distance_step(
        self, x: Tensor, y: Tensor, stage: Stage, adam: LightningOptimizer
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Table 2, "L1 loss" and "L2 loss": the distance to HR of the stage's side, and no D."""
        self._average()
        fake = self.G(x, stage, self._training_noise("G"))
        loss = distance(fake, y, self.objective)
        self._descend(loss, adam)
        return fake, {"G": loss}

    def _descend(self, loss: Tensor, adam: LightningOptimizer) -> None:
        adam.zero_grad()
        self.manual_backward(loss)
        adam.step()

    @torch.no_grad()
    def _average(self) -> None:
        """Move G_ema towards G: what is averaged is half forgotten after ``ema_half_life`` images."""
        batch = self.context.budget.phase_at(self.images_seen)[0].batch_size
        new = 1 - 0.5 ** (batch / self.ema_half_life) if self.ema_half_life else 1.0
        torch._foreach_lerp_(list(self.G_ema.parameters()), list(self.G.parameters()), new)

    def _training_noise(self, pass_of: str) -> TrainingNoise:
        context = self.context
        return TrainingNoise(
            context.seed,
            f"pan-noise-{pass_of}",
            self.images_seen,
            context.rank,
            context.world_size,
        )

    # -- optimisers -------------------------------------------------------------------------------

    def configure_optimizers(self) -> list[Adam]:
        """An Adam for G, and one for D where there is one; rates follow the phase."""
        options: dict[str, Any] = {
            "lr": 1e-3, "betas": (0.0, self.beta2), "eps": 1e-8,
            "fused": self.device.type in {"cpu", "cuda"},
        }  # fmt: skip
        networks = [self.G] if self.D is None else [self.G, self.D]
        return [Adam(network.parameters(), **options) for network in networks]

    def _adams(self, phase: int, rate: float) -> dict[str, LightningOptimizer]:
        """The optimisers at this phase's rate, without memory of the phase before (StyleGAN)."""
        found = self.optimizers()
        adams = dict(zip("GD", found if isinstance(found, list) else [found], strict=False))
        for adam in adams.values():
            if phase != self._adam_phase:
                adam.optimizer.state.clear()
            for group in adam.param_groups:
                group["lr"] = rate
        self._adam_phase = phase
        return adams

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the variant, the phases, and which of them Adam's moments were gathered in."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["pan_variant"] = dict(self.variant)
        checkpoint["pan_phases"] = rows_of(self.context.budget)
        checkpoint["pan_adam_phase"] = self._adam_phase

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take moments back within a phase, not at its end; refuse another variant or other phases."""
        check_variant(checkpoint, self.variant)
        super().on_load_checkpoint(checkpoint)
        phases, budget = checkpoint.get("pan_phases"), self.context.budget
        check_resumed(phases, budget, self.images_seen, "PAN", fade_facts)
        self._adam_phase = checkpoint.get("pan_adam_phase")

    # -- inference --------------------------------------------------------------------------------

    def super_resolve(self, lr: Tensor) -> Tensor:
        """One forward of the averaged generator; (B, 3, h, w) to (B, 3, H, W), RGB in [0, 1]."""
        sr: Tensor = self.G_ema(self.to_network(lr), Stage(self.side), self._noise_eval).float()
        sr = sr.clamp(-1, 1).add(1).div(2)
        if self.pool > 1:
            sr = functional.avg_pool2d(sr, self.pool)
        return sr.contiguous()

    def preview(self) -> Tensor | None:
        """LR beside what the average makes of it at the stage of training; always the same faces."""
        if self._shown is None:
            return None
        _, _, stage, _ = self._phase()
        lr = box_to(self._shown, min(stage.side, self.lr_side))
        x = self._fade_lr(self.to_network(lr), stage)
        return pairs(x, self.G_ema(x, stage, self._noise_eval), self.side)

    def to_network(self, rgb: Tensor) -> Tensor:
        """RGB in [0, 1] -> [-1, 1], in the networks' memory format."""
        return rgb.mul(2).sub(1).contiguous(memory_format=self._format)

    def inference_modules(self) -> Sequence[nn.Module]:
        """The averaged generator alone runs at test time."""
        return [self.G_ema]

    def check_sizes(self, lr: tuple[int, int], hr: tuple[int, int]) -> None:
        """The networks are built for one LR and one HR size."""
        super().check_sizes(lr, hr)
        if hr != (self.hr_size, self.hr_size):
            raise ConfigError(
                f"PAN is built for HR faces of {self.hr_size}x{self.hr_size}, but the data have "
                f"{hr[0]}x{hr[1]}; set method.hr_size={hr[0]}."
            )

    def adapt_state_dict(self, content: Mapping[str, Any]) -> dict[str, Tensor]:
        """Weights for the whole method from a file that may hold the averaged generator alone."""
        check_variant(content, self.variant)
        return complete_state(content, self.D)
