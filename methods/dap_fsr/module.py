"""DAP-FSR as a method of the suite: its arguments, procurement (training E), deployment (DAMMA)."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.optim import Adam

from facesr_bench.adaptation.contract import Exemplars
from facesr_bench.adaptation.features import FeatureName, open_features
from facesr_bench.checkpoints import load_weights
from facesr_bench.errors import ConfigError
from facesr_bench.method import Batch, Method, TrainingContext
from facesr_bench.priors.loaded import LoadedPrior
from facesr_bench.weights.loading import load_state, locate
from facesr_bench.weights.requirements import require

from pytorch_lightning.core.optimizer import LightningOptimizer  # isort: skip  (see method.py)

from .damma import Damma
from .decoder import Phi
from .encoder import Encoder
from .latent import Eps
from .losses import Features, Norm, distance, feature_distance
from .networks import DAPNetworks
from .variants import Adapt, Recipe, SourceCodes, Target, TargetCode, check_choice


class DAPFSR(Method):
    """Domain-aware pyramid face super-resolution (Li, Yu, Yang, ICCV 2021).

    Procurement trains E into the codes of a frozen StyleGAN G; deployment shows one pair of another
    domain to :class:`~.damma.Damma`, which changes G's affine maps. Images are RGB in [0, 1] at the
    border, [-1, 1] inside.

    Args:
        prior: gives G; its side is that of HR.
        hr_size: side of the HR images.
        factor: HR side over LR side.
        encoder_side: LR is enlarged to this before the backbone.
        width: of the backbone's stem.
        depths: blocks of the backbone's stages.
        lateral: channels of each map of the pyramid.
        multi_scale: configuration A's pyramid and ALEs.
        istn: how many of configuration B's aligners.
        offset: configuration C's latent rule.
        statistics_samples: codes mapped for mu_w and sigma_w.
        features: F: "vgg19" (the paper), "vgg19_random" (drawn, where there is no file), "none".
        norm: "mse" or "l2", see :mod:`.losses`.
        backbone_weights: registered ImageNet weights the backbone starts from, or None.
        lr: Adam's rate of E at the start.
        lr_floor: at the end of the cosine.
        istn_lr: rate of the aligners over ``lr``.
        adapt: see :class:`~.variants.Recipe`, as all below.
        phi: what adaptation changes of G.
        target: what phi is trained on.
        outer: rounds of fresh source codes.
        inner: steps in each.
        batch: source codes in a round.
        alpha_start: alpha_0.
        alpha_lr: Adam's rate of alpha.
        phi_lr: Adam's rate of phi.
        eps: draws of a source code.
        source_codes: where they come from.
        target_code: from which image w^t is encoded.
        channels_last: keep networks and images in channels_last memory format.
    """

    paper: ClassVar[str] = (
        "Li, Yu, Yang, Super-Resolving Cross-Domain Face Miniatures by Peeking at One-Shot Exemplar, "
        "ICCV 2021"
    )
    reference: ClassVar[str] = "none: no official code was found"
    pairing: ClassVar[Literal["paired", "unpaired", "hr"]] = "paired"

    def __init__(
        self,
        *,
        prior: LoadedPrior,
        hr_size: int = 128,
        factor: int = 8,
        encoder_side: int = 128,
        width: int = 64,
        depths: Sequence[int] = (3, 4, 6, 3),
        lateral: int = 512,
        multi_scale: bool = True,
        istn: int = 3,
        offset: bool = True,
        statistics_samples: int = 100_000,
        features: FeatureName = "vgg19",
        norm: Norm = "mse",
        backbone_weights: str | None = "resnet50",
        lr: float = 1e-4,
        lr_floor: float = 1e-6,
        istn_lr: float = 0.1,
        adapt: Adapt = "soft",
        phi: Phi = "affine",
        target: Target = "pairs",
        outer: int = 20,
        inner: int = 10,
        batch: int = 8,
        alpha_start: float = 0.5,
        alpha_lr: float = 1e-2,
        phi_lr: float = 1e-4,
        eps: Eps = "shared",
        source_codes: SourceCodes = "gaussian",
        target_code: TargetCode = "lr",
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        check_choice("features", features, FeatureName)
        check_choice("norm", norm, Norm)
        if prior.resolution != hr_size:
            raise ConfigError(
                f"DAP-FSR makes faces of its prior's size: {prior.name} has {prior.resolution} pixels, "
                f"the data {hr_size}. Choose another prior by prior@method.prior=NAME, or other data."
            )
        self.factor, self.hr_size = factor, hr_size
        self.recipe = Recipe(
            adapt, phi, target, outer, inner, batch, alpha_start, alpha_lr, phi_lr,
            eps, source_codes, target_code,
        )  # fmt: skip
        if features == "none" and self.recipe.needs_features:
            raise ConfigError(
                "DAP-FSR: features=none leaves no style to adapt to; set method.adapt=hard or "
                "method.target=exemplar, or another method.features."
            )
        encoder = Encoder(
            prior.network.num_codes, prior.network.w_dim, side=encoder_side, width=width,
            depths=depths, lateral=lateral, istn=istn, multi_scale=multi_scale,
        )  # fmt: skip
        self.nets = DAPNetworks(prior, encoder, offset=offset, samples=statistics_samples)
        self.nets.phi(phi)  # refuses what this prior does not have, before anything is trained
        self.prior = prior
        self.trained_on = [dict(entry) for entry in prior.trained_on]
        self.weight_files = [dict(entry) for entry in prior.files]
        self.loss_networks = () if features == "none" else (features,)  # type: ignore[misc]
        self._features, self._norm, self._backbone = features, norm, backbone_weights
        self._lr, self._lr_floor, self._istn_lr = lr, lr_floor, istn_lr
        self.F: nn.Module | None = None
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self.nets.to(memory_format=self._format)  # type: ignore[call-overload]
        self._weights_came = False
        self.nets.register_load_state_dict_post_hook(self._note_weights)  # type: ignore[no-untyped-call]
        self._shown: tuple[Tensor, Tensor] | None = None

    # -- procurement: Eqs. 2 to 5 -----------------------------------------------------------------

    def bind(self, context: TrainingContext) -> None:
        """Open F, and start the backbone from ImageNet unless weights were loaded already."""
        wanted = None if self._weights_came else self._backbone
        _, backbone = require(self._open_features, lambda: wanted and locate(wanted))
        if backbone:
            state = {k: v for k, v in load_state(backbone).items() if not k.startswith("fc.")}
            resnet = self.nets.E.resnet
            own = {k: v for k, v in resnet.state_dict().items() if k.startswith("aligners.")}
            load_weights(resnet, {"state_dict": state | own}, str(backbone.path))
            self.weight_files.append(
                {"file": backbone.path.name, "sha256": backbone.sha256, "role": "start of E"}
            )
        super().bind(context)

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One step on E (Eq. 5); G and F are fixed, but gradients pass through them."""
        adam = cast(LightningOptimizer, self.optimizers())
        for group in adam.param_groups:
            group["lr"] = self._rate() * group["share"]
        loss, said = self._loss(self.to_network(batch["lr"]), self.to_network(batch["hr"]))
        adam.zero_grad()
        self.manual_backward(loss)
        adam.step()
        self._shown = (batch["lr"][:4], batch["hr"][:4])
        self.log_losses(said)

    def _loss(self, lr: Tensor, hr: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Eq. 5 of pairs in [-1, 1], and its parts."""
        images = self.nets.images(self.nets.codes(lr))
        said = {"pix": distance(images, hr, self._norm)}
        loss = said["pix"]
        if self.F is not None:
            with torch.no_grad():
                target = self._see(hr)
            said["percept"] = feature_distance(self._see(images), target, self._norm)
            loss = loss + said["percept"]
        return loss, said | {"E": loss}

    def _rate(self) -> float:
        """Cosine from ``lr`` to ``lr_floor`` over the budget."""
        done = min(1.0, self.images_seen / self.context.budget.images)
        return self._lr_floor + (self._lr - self._lr_floor) * (1 + math.cos(math.pi * done)) / 2

    def configure_optimizers(self) -> Adam:
        """Adam over E; its aligners learn slower."""
        slow = [p for n, p in self.nets.E.named_parameters() if ".aligners." in n]
        fast = [p for n, p in self.nets.E.named_parameters() if ".aligners." not in n]
        groups = [
            {"params": fast, "lr": self._lr, "share": 1.0},
            {"params": slow, "lr": self._lr * self._istn_lr, "share": self._istn_lr},
        ]
        return Adam(
            [group for group in groups if group["params"]],
            betas=(0.9, 0.999),
            fused=self.device.type in {"cpu", "cuda"},
        )

    def _open_features(self) -> None:
        if self.F is None and self._features != "none":
            self.F = cast(nn.Module, open_features(self._features)).to(self.device)

    def _see(self, images: Tensor) -> Features:
        """F of images in [-1, 1]; nothing where there is no F."""
        return {} if self.F is None else self.F(images.add(1).div(2))

    def _note_weights(self, *_: Any) -> None:
        self._weights_came = True

    # -- deployment: what facesr_bench.adaptation asks for -----------------------------------------

    @property
    def adaptation_steps(self) -> int:
        """How often :meth:`adapt` calls ``done``."""
        return self.recipe.outer * self.recipe.inner

    def adapt(self, exemplars: Exemplars, seed: int, done: Callable[[], None]) -> dict[str, float]:
        """Algorithm 1 on K pairs of the target domain; G is changed in place.

        Returns:
            For the record: the exemplar's loss before and after, and the mean of the last alpha.
        """
        lr, hr = self.to_network(exemplars.lr), self.to_network(exemplars.hr)
        self._open_features()
        mapped = self._mapped if self.recipe.source_codes == "mapping" else None
        run = Damma(
            self.nets, self._see, self.recipe, mapped, lr, hr, seed, self._norm, exemplars.degrade
        )
        with torch.no_grad():
            before = self._quiet_loss(lr, hr)
            with torch.enable_grad():
                trace = run.run(done)
            after = self._quiet_loss(lr, hr)
        found = {"exemplar_loss_before": float(before), "exemplar_loss_after": float(after)}
        if trace.alpha is not None:
            found["alpha_mean"] = float(trace.alpha.mean())
        return found

    def adaptation_parameters(self, exemplars: Exemplars) -> dict[str, nn.Parameter]:
        """What fine-tuning on pairs may change (Table 3's other strategies): phi."""
        self._open_features()
        return self.nets.phi(self.recipe.phi)

    def adaptation_loss(self, lr: Tensor, hr: Tensor) -> Tensor:
        """Eq. 5 of pairs in [0, 1]."""
        return self._loss(self.to_network(lr), self.to_network(hr))[0]

    def _quiet_loss(self, lr: Tensor, hr: Tensor) -> Tensor:
        training = self.nets.training
        self.nets.eval()
        loss = self._loss(lr, hr)[0]
        self.nets.train(training)
        return loss

    @torch.no_grad()
    def _mapped(self, number: int, rng: torch.Generator) -> Tensor:
        """Codes of the prior's mapping, (number, w_dim)."""
        mapping = self.prior.network.mapping.to(self.device)
        z = torch.randn(number, self.prior.network.z_dim, generator=rng)
        codes: Tensor = mapping(z.to(self.device))
        return codes

    # -- inference --------------------------------------------------------------------------------

    def super_resolve(self, lr: Tensor) -> Tensor:
        """G(mu + sigma E(LR)) in one pass: (N, 3, h, w) in [0, 1] to (N, 3, S, S), the same."""
        images = self.nets.images(self.nets.codes(self.to_network(lr)))
        return images.float().add(1).div(2).clamp(0, 1).contiguous()

    def to_network(self, images: Tensor) -> Tensor:
        """[0, 1] to what the networks see."""
        return images.mul(2).sub(1).contiguous(memory_format=self._format)

    @torch.no_grad()
    def preview(self) -> Tensor | None:
        """Up to four faces of the last batch: LR, what it becomes now, truth."""
        if self._shown is None:
            return None
        lr, hr = self._shown
        training = self.training
        self.eval()
        faces = self.super_resolve(lr)
        self.train(training)
        enlarged = nn.functional.interpolate(lr, size=hr.shape[2:], mode="nearest")
        return torch.stack([enlarged, faces, hr], dim=1).flatten(0, 1)

    def inference_modules(self) -> Sequence[nn.Module]:
        """E and G."""
        return [self.nets.E, self.nets.G]

    def check_sizes(self, lr: tuple[int, int], hr: tuple[int, int]) -> None:
        """G is of one size."""
        super().check_sizes(lr, hr)
        if hr != (self.hr_size, self.hr_size):
            raise ConfigError(
                f"DAP-FSR is built for HR faces of {self.hr_size}x{self.hr_size}, but the data have "
                f"{hr[0]}x{hr[1]}; set method.hr_size={hr[0]} and a prior of that size."
            )

    def adapt_state_dict(self, content: Mapping[str, Any]) -> dict[str, Tensor]:
        """Weights for the whole method from a file that may hold E alone."""
        state = content.get("state_dict", content)
        if any(name.startswith("nets.G.") for name in state):
            return dict(state)
        own = self.state_dict()
        return {name: own[name] for name in own if name.startswith("nets.G.")} | dict(state)
