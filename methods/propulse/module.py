"""Pro-PULSE as a method of the suite: its arguments, and one training step of each stage."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.optim import Adam

from facesr_bench.budget import Budget, Phase
from facesr_bench.errors import ConfigError
from facesr_bench.method import Batch, TrainingContext
from facesr_bench.nets.identity import identity_network
from facesr_bench.nets.vgg import vgg_features
from facesr_bench.phases import check_resumed, check_steps, rows_of, scaled
from facesr_bench.priors.loaded import LoadedPrior

from pytorch_lightning.core.optimizer import LightningOptimizer  # isort: skip  (see method.py)

from .checkpoint import check_prior, check_variant, complete_state
from .critic import CriticObjective, Reg, critic_of, load_critic, places_between
from .downsampling import LROperator, LRReduction, warn_of_another_operator
from .encoders import LR_SIDE, Heads
from .inference import ProPULSEInference
from .losses import Norm
from .objectives import VGG_LAYER, Objectives
from .progress import Progress
from .stages import Part, Recipe, Stage, stage_of
from .upsampler import ProgressiveUpsampler
from .variants import Base, Encoder, Side, StageTrainable, Switches, Term


class ProPULSE(ProPULSEInference):
    """Progressive encoders of LR faces into W+ (Zhou et al., TIP 2022).

    Images are RGB in [0, 1] at the border, [-1, 1] inside. The prior may be a StyleGAN2 of any size
    from 32 pixels on; its resolution is the side of the last image.

    Args:
        prior: frozen, and in no checkpoint.
        hr_size: side of the images to make: the prior's own, or a side output's (then it can only be
            tested: the losses need truth at the prior's side).
        factor: HR side over LR side; LR faces are 16x16.
        n_feats: channels of the encoders, a multiple of 16.
        hidden: channels inside their tails.
        heads: layout of E_W+, see :data:`~.encoders.Heads`.
        chain: heads of E_W+ continue each other's features.
        init_bias_w_avg: encoders start at the prior's average code instead of PyTorch's draw.
        encoder: see :class:`~.variants.Switches`, as all up to ``adv_weight``.
        base: what fills codes that E_W+ does not make yet.
        side: "branches" or "none".
        e2e: branches learn beside the encoders.
        losses: terms of E_W+'s stages.
        stage_trainable: "all_active" or "new_only".
        norm: of L_pix and L_pp: "mse", or "l2" to take the paper's norms literally.
        rec_norm: of L_rec: "l2", the paper's, or "mse".
        rec_weight: of L_rec.
        id_weight: of L_id.
        adv_weight: of L_adv.
        pp_weight: of L_pp.
        perceptual: registered VGG-16 of L_pp; None leaves L_pp out.
        identity: registered recognition network of L_id; None leaves L_id out (priors of no faces).
        lr_operator: how the data make LR; L_rec reduces by the same.
        reg: what bounds the critic: "r1", "wgan_gp", "none".
        gamma: of R1.
        r1_interval: steps from one R1 to the next.
        critic_weights: registered discriminator, or last.ckpt of the prior's run; None for random.
        stages: parts this run trains, of "branches", "base", "scales"; others come from ``init=``.
        lr: Adam's learning rate.
        critic_lr: of the critic; None for the same.
        channels_last: keep encoders, critic and prior in channels_last memory format.
    """

    paper: ClassVar[str] = (
        "Zhou et al., Pro-PULSE: Learning Progressive Encoders of Latent Semantics in GANs for Photo "
        "Upsampling, IEEE TIP 2022"
    )
    reference: ClassVar[str] = "none: https://github.com/youngAt19/Pro-PULSE holds a README only"
    pairing: ClassVar[Literal["paired", "unpaired", "hr"]] = "paired"
    rank_dependent: ClassVar[str] = "a share of fewer than four images holds no whole group of D's"

    def __init__(
        self,
        *,
        prior: LoadedPrior,
        hr_size: int = 1024,
        factor: int = 64,
        n_feats: int = 256,
        hidden: int = 512,
        heads: Heads = "scale",
        chain: bool = True,
        init_bias_w_avg: bool = True,
        encoder: Encoder = "progressive",
        base: Base = "encoder",
        side: Side = "branches",
        e2e: bool = False,
        losses: Sequence[Term] = ("rec", "id", "adv"),
        stage_trainable: StageTrainable = "all_active",
        norm: Norm = "mse",
        rec_norm: Norm = "l2",
        rec_weight: float = 1.0,
        id_weight: float = 1.0,
        adv_weight: float = 0.01,
        pp_weight: float = 1.0,
        perceptual: Literal["vgg16"] | None = "vgg16",
        identity: str | None = "arcface_irse50",
        lr_operator: LROperator = "bicubic_pulse",
        reg: Reg = "r1",
        gamma: float = 10.0,
        r1_interval: int = 16,
        critic_weights: str | None = None,
        stages: Sequence[Part] = ("branches", "base", "scales"),
        lr: float = 1e-4,
        critic_lr: float | None = None,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.prior, self.hr_size, self.factor = prior, hr_size, factor
        self.switches = Switches(
            encoder, base, side, e2e, tuple(losses), stage_trainable, norm, rec_weight,
            id_weight if identity is not None else 0.0, adv_weight, rec_norm,
        )  # fmt: skip
        self.nets = ProgressiveUpsampler(
            prior, self.switches, n_feats, hidden, heads,
            chain=chain, init_bias_w_avg=init_bias_w_avg,
        )  # fmt: skip
        generator = self.nets.G_ds
        self.progress = Progress(
            self.switches, generator.num_codes, branches=len(generator.sides_out) > 1
        )
        self.variant = {**asdict(self.switches), "heads": heads, "chain": chain}
        self.trained_on = [dict(entry) for entry in prior.trained_on]
        self.weight_files = [dict(entry) for entry in prior.files]
        self.critic = critic_of(prior) if self.switches.critic else None
        if self.critic is not None and critic_weights is not None:
            self.weight_files.append(load_critic(self.critic, critic_weights))
        self.critic_objective = CriticObjective(reg, gamma, r1_interval)
        reduction = LRReduction(lr_operator, generator.sides, LR_SIDE)
        self.objectives = Objectives(self.switches, reduction, pp_weight)
        self._vgg = perceptual if pp_weight > 0 and self.switches.trains("branches") else None
        self._recogniser = identity if self.switches.id_weight > 0 else None
        self.loss_networks = tuple(  # type: ignore[misc]  # a fact of this configuration
            name for name in (self._vgg, self._recogniser) if name is not None
        )
        self._parts, self._lr, self._critic_lr = tuple(stages), lr, critic_lr or lr
        self._at: Stage | None = None
        self._compared = False  # whether the data's LR is what L_rec takes it for
        self._shown: tuple[Tensor, Tensor] | None = None
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self.to(memory_format=self._format)  # type: ignore[call-overload]

    # -- stages -----------------------------------------------------------------------------------

    def make_budget(self, config: Mapping[str, Any], images: int | None = None) -> Budget:
        """Phases from the ``budget`` block: its own ``phases``, or the paper's for this prior.

        Args:
            config: ``{phases: [{name, images, batch_size, train, side}, ...]}``, or any of the lengths
                of :class:`~.stages.Recipe`.
            images: override of the total; phases shrink or grow in proportion.
        """
        if config.get("phases"):
            return scaled(Budget.from_config({"phases": config["phases"]}), images, "Pro-PULSE")
        recipe = Recipe.from_config({k: v for k, v in config.items() if k != "phases"})
        stages = self.switches.stages(self.nets.G_ds.sides, self._parts)
        direct = self.switches.encoder != "progressive"
        return scaled(Budget(recipe.phases(stages, direct=direct)), images, "Pro-PULSE")

    def bind(self, context: TrainingContext) -> None:
        """Check the phases, and open the networks that their losses look through."""
        check_steps(context.budget, "Pro-PULSE")
        stages = [self._stage_of(phase) for phase in context.budget.phases]
        for stage in stages:
            if not self.switches.trains(stage.part):
                raise ConfigError(
                    f"Pro-PULSE: a phase trains {stage.name}, which this variant does not have."
                )
            if stage.part != "branches" and self.hr_size != self.prior.resolution:
                raise ConfigError(
                    f"Pro-PULSE's encoders are trained on faces of the prior's "
                    f"{self.prior.resolution} pixels, but the data have {self.hr_size}: a side output "
                    "can be tested at its own size, not trained there."
                )
        if self._vgg is not None and (self.switches.e2e or Stage("branches") in stages):
            self.objectives.vgg = vgg_features(self._vgg, [VGG_LAYER])
        terms = {t for s in stages if s.part != "branches" for t in self.switches.terms(s)}
        if self._recogniser is not None and "id" in terms:
            self.objectives.recogniser = identity_network(self._recogniser)
        super().bind(context)

    def _stage_of(self, phase: Phase) -> Stage:
        sides = self.nets.G_ds.sides
        return stage_of(phase, sides, self.switches.first_side(sides))

    # -- training ---------------------------------------------------------------------------------

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Eq. 1 for the branches of G_ds; for an encoder Eq. 5, after the critic's step on Eq. 9."""
        phase, offset = self.context.budget.phase_at(self.images_seen)
        stage, adams = self._stage_of(phase), self._adams()
        if stage != self._at:
            self.progress.begin(stage)
            self.nets.enter(stage)
            self._at = stage
        if stage.part == "branches":
            said = self._branches_step(len(batch["lr"]), adams["G_ds"])
        else:
            said = self._encoder_step(stage, offset // phase.batch_size, batch, adams)
        self._shown = batch["lr"][:3], batch["hr"][:3]
        self.log_losses(said)

    def _branches_step(self, samples: int, adam: LightningOptimizer) -> dict[str, Tensor]:
        """On the prior's own faces: one code for all layers, no truncation, constant noise."""
        generator = self.nets.G_ds
        with torch.no_grad():
            w = generator.prior.mapping(self.noise("z", samples, generator.prior.z_dim))
            image, features = generator.features(self.nets.repeated(w))
        loss, said = self.objectives.branches(generator, image, features)
        self._descend(loss, adam)
        return said

    def _encoder_step(
        self, stage: Stage, step: int, batch: Batch, adams: Mapping[str, LightningOptimizer]
    ) -> dict[str, Tensor]:
        """One pass of the generator serves the critic, detached, and then the encoder."""
        lr, hr = self._to_network(batch["lr"]), self._to_network(batch["hr"])
        if not self._compared:
            warn_of_another_operator(self.objectives.reduce, hr, lr)
            self._compared = True
        generator, critic, terms = self.nets.G_ds, self.critic, self.switches.terms(stage)
        said: dict[str, Tensor] = {}
        image, features = generator.features(self.nets.codes(lr, stage.codes))
        if critic is not None and "adv" in terms:
            at = None
            if self.critic_objective.reg == "wgan_gp":
                at = places_between(self.context, self.images_seen, len(hr)).to(hr.device)
            loss, said = self.critic_objective(critic, hr, image.detach(), step, at)
            self._descend(loss, adams["critic"])
            critic.requires_grad_(False)
        images = generator.branch_images(features) if "rec" in terms else {}
        images[generator.resolution] = image
        loss, parts = self.objectives.encoder(stage, images, lr, hr, critic)
        stepping = [adams["E_W" if stage.part == "base" else "E_W+"]]
        if self.switches.e2e:
            own, of_branches = self.objectives.branches(generator, image, features)
            loss, parts = loss + own, parts | of_branches
            stepping.append(adams["G_ds"])
        self._descend(loss, *stepping)
        if critic is not None:
            critic.requires_grad_(True)
        return said | parts

    def _descend(self, loss: Tensor, *adams: LightningOptimizer) -> None:
        for adam in adams:
            adam.zero_grad()
        self.manual_backward(loss)
        for adam in adams:
            adam.step()

    def _players(self) -> dict[str, nn.Module]:
        critic = {} if self.critic is None else {"critic": self.critic}
        return {**self.nets.players(), **critic}

    def _adams(self) -> dict[str, LightningOptimizer]:
        adams = self.optimizers()
        each = adams if isinstance(adams, list) else [adams]
        return dict(zip(self._players(), each, strict=True))

    def configure_optimizers(self) -> list[Adam]:
        """An Adam each. E_W+'s goes through all stages: heads that join later start their own state."""
        fused = self.device.type in {"cpu", "cuda"}
        rates = {"critic": self._critic_lr}
        return [
            Adam(network.parameters(), lr=rates.get(name, self._lr), fused=fused)
            for name, network in self._players().items()
        ]

    # -- checkpoints ------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the prior the codes are meant for, the variant, its phases, and what was trained."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["prior"] = self.prior.facts()
        checkpoint["propulse_variant"] = dict(self.variant)
        checkpoint["propulse_phases"] = rows_of(self.context.budget)
        self.progress.save(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to go on with another prior, as another variant, or by other phases."""
        check_prior(checkpoint.get("prior"), self.prior)
        check_variant(checkpoint.get("propulse_variant"), self.variant)
        super().on_load_checkpoint(checkpoint)
        self.progress.load(checkpoint, checkpoint.get("state_dict", {}))
        if self._context is not None:
            rows, budget = checkpoint.get("propulse_phases"), self._context.budget
            check_resumed(rows, budget, self.images_seen, "Pro-PULSE")

    def adapt_state_dict(self, content: Mapping[str, Any]) -> dict[str, Tensor]:
        """Weights for the whole method from a file that may hold fewer networks.

        A stage may go on from another variant's networks (Table II's rows share E_W), as long as they
        compute the same.
        """
        check_prior(content.get("prior"), self.prior)
        check_variant(content.get("propulse_variant"), self.variant, ("chain", "heads"))
        state: Mapping[str, Tensor] = content.get("state_dict", content)
        self.progress.load(content, state)
        return complete_state(state, self.state_dict())
