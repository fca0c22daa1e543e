"""Training a StyleGAN2 prior: its arguments, and one step in the official order."""

from collections.abc import Sequence
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.optim import Adam

from facesr_bench.averaging import average_of, decay_of, update_average
from facesr_bench.checkpoints import load_weights
from facesr_bench.errors import ConfigError
from facesr_bench.method import Batch, Method, TrainingContext
from facesr_bench.nets.stylegan2 import Discriminator, StyleGAN2
from facesr_bench.priors.loaded import LoadedPrior

from pytorch_lightning.core.optimizer import LightningOptimizer  # isort: skip  (see method.py)

from .draws import Draws
from .lazy import Lazy, lazy_adam, set_rate
from .losses import Losses


class StyleGAN2Prior(Method):
    """A face generator for PULSE, Pro-PULSE and DAP-FSR (Karras et al., CVPR 2020).

    It sees HR images only and does not super-resolve: train it with ``stage=fit``. ``average`` is the
    generator that is judged and used.

    Args:
        hr_size: side of the faces.
        z_dim: length of the mapping's input.
        w_dim: length of a code.
        map_layers: layers of the mapping.
        channel_base: channels times side of the features, where ``channel_max`` does not bind.
        channel_max: most channels.
        gamma: weight of R1; None for the ADA rule 0.0002 side^2 / batch.
        r1_interval: discriminator steps between two R1 penalties.
        path_weight: weight of the path length penalty; 0 leaves it out.
        path_interval: generator steps between two of them.
        mixing: probability that a batch mixes the codes of two z.
        flip: mirror half of the real images.
        lr: Adam's learning rate, before the correction for lazy penalties.
        lr_generator: the generator's, where it is another; a generator that is trained on wants a
            lower one than the discriminator that begins anew.
        average_half_life: images after which the average has forgotten half; None for the ADA rule,
            10,000 images a batch of 32.
        start: a prior of the same sizes to train on from; its discriminator is lost, a new one learns.
        warm_up: images during which only the discriminator learns, so that a new one does not spoil
            the generator it meets.
        fade: images at the end over which both rates fall linearly to zero; 0 keeps them constant.
        channels_last: keep networks and images in channels_last memory format.
    """

    paper: ClassVar[str] = (
        "Karras et al., Analyzing and Improving the Image Quality of StyleGAN, CVPR 2020"
    )
    reference: ClassVar[str] = "https://github.com/NVlabs/stylegan2-ada-pytorch at d72cc7d0"
    pairing: ClassVar[Literal["paired", "unpaired", "hr"]] = "hr"
    restores: ClassVar[bool] = False

    def __init__(
        self,
        *,
        hr_size: int,
        z_dim: int = 512,
        w_dim: int = 512,
        map_layers: int = 8,
        channel_base: int = 32768,
        channel_max: int = 512,
        gamma: float | None = None,
        r1_interval: int = 16,
        path_weight: float = 2.0,
        path_interval: int = 4,
        mixing: float = 0.9,
        flip: bool = True,
        lr: float = 0.0025,
        lr_generator: float | None = None,
        average_half_life: float | None = None,
        start: LoadedPrior | None = None,
        warm_up: int = 0,
        fade: int = 0,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        if r1_interval < 1 or path_interval < 1:
            raise ConfigError("stylegan2: r1_interval and path_interval count steps, from 1 on.")
        wrong = [
            f"{name}={value}"
            for name, value, fits in (
                ("gamma", gamma, gamma is None or gamma >= 0),
                ("path_weight", path_weight, path_weight >= 0),
                ("mixing", mixing, 0 <= mixing <= 1),
                ("lr", lr, lr > 0),
                ("lr_generator", lr_generator, lr_generator is None or lr_generator > 0),
                (
                    "average_half_life",
                    average_half_life,
                    average_half_life is None or average_half_life > 0,
                ),
                ("warm_up", warm_up, warm_up >= 0),
                ("fade", fade, fade >= 0),
            )
            if not fits
        ]
        if wrong:
            raise ConfigError(f"stylegan2: {', '.join(wrong)} makes no sense; see its YAML.")
        self.hr_size = hr_size
        self.generator = StyleGAN2(hr_size, z_dim, w_dim, map_layers, channel_base, channel_max)
        self.discriminator = Discriminator(hr_size, channel_base, channel_max)
        if start is not None:
            load_weights(self.generator, {"state_dict": start.network.state_dict()}, start.name)
            self.trained_on = [dict(entry) for entry in start.trained_on]
            self.weight_files = [dict(entry) for entry in start.files]
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        for network in (self.generator, self.discriminator):
            network.to(memory_format=self._format)  # type: ignore[call-overload]
        self.average = average_of(self.generator)
        self.path_average: Tensor
        self.register_buffer("path_average", torch.zeros(()))
        self.losses_of = Losses(self.generator, self.discriminator, path_weight)
        self._gamma, self._lr, self._half_life = gamma, lr, average_half_life
        self._lr_generator = lr if lr_generator is None else lr_generator
        self._r1 = Lazy(r1_interval)
        self._path = Lazy(path_interval) if path_weight else None
        self._mixing, self._flip = mixing, flip
        self._warm_up, self._fade = warm_up, fade
        self._last: dict[str, Tensor] = {}

    def bind(self, context: TrainingContext) -> None:
        """Refuse batches the discriminator cannot compare."""
        for phase in context.budget.phases:
            share = phase.batch_size // context.world_size
            if share % 4:
                raise ConfigError(
                    f"stylegan2: the discriminator compares samples in groups of four, but phase "
                    f"{phase.name!r} gives each process {share}; choose a multiple of 4 for each."
                )
        super().bind(context)

    # -- training: the order of stylegan2-ada-pytorch ----------------------------------------------

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """G, (path length), D, (R1), the average: each penalty is a step of its own, when it is due."""
        adam_g, adam_d = cast("list[LightningOptimizer]", self.optimizers())
        draws = Draws(self, len(batch["hr"]), self._mixing)
        real = draws.mirrored(batch["hr"]) if self._flip else batch["hr"]
        real = real.mul(2).sub(1).contiguous(memory_format=self._format)
        losses, step = self.losses_of, self._step()
        said: dict[str, Tensor] = {}
        set_rate(adam_g, self._lr_generator * self._share_of_rate(), self._path)
        set_rate(adam_d, self._lr * self._share_of_rate(), self._r1)

        if self.images_seen >= self._warm_up:
            said |= self._generator_step(draws, adam_g, step)

        self.generator.requires_grad_(False)
        said["D"] = losses.discriminator(draws.codes("D"), draws.maps("D"), real)
        self._descend(said["D"], adam_d)
        if self._r1.due(step):
            said["r1"] = losses.r1(real, self.gamma)
            self._descend(said["r1"] * self._r1.interval, adam_d)
        self.generator.requires_grad_(True)

        batch_size = self._batch_size()
        half_life = 10_000 * batch_size / 32 if self._half_life is None else self._half_life
        decay = decay_of(batch_size, half_life)
        update_average(self.average, self.generator, decay)
        self._last |= said  # penalties are shown with the value they had when they were last due
        self.log_losses(self._last)

    def _generator_step(
        self, draws: Draws, adam: LightningOptimizer, step: int
    ) -> dict[str, Tensor]:
        """G and, when it is due, the path length penalty; the discriminator stands still."""
        losses, said = self.losses_of, {}
        self.discriminator.requires_grad_(False)
        said["G"], codes = losses.generator(draws.codes("G"), draws.maps("G"))
        self._descend(said["G"], adam)
        self._track_codes(codes)
        if self._path is not None and self._path.due(step):
            half = draws.half()
            penalty, lengths = losses.path(
                half.codes("path"),
                half.maps("path"),
                self.path_average,
                half.directions(),
                self._gather,
            )
            self._descend(penalty * self._path.interval, adam)
            self.path_average.copy_(lengths)
            said["path"] = penalty
        self.discriminator.requires_grad_(True)
        return said

    def _share_of_rate(self) -> float:
        """1, and over the last ``fade`` images linearly down to 0."""
        left = self.context.budget.images - self.images_seen
        return min(1.0, left / self._fade) if self._fade else 1.0

    def _descend(self, loss: Tensor, adam: LightningOptimizer) -> None:
        adam.zero_grad()
        self.manual_backward(loss)
        adam.step()

    def _track_codes(self, codes: Tensor) -> None:
        """``w_avg`` follows the mean of the codes, of all processes."""
        mean = self._gather(codes.mean(0, keepdim=True)).mean(0)
        average = self.generator.mapping.w_avg
        average.copy_(mean.lerp(average, 0.995))

    def _gather(self, rows: Tensor) -> Tensor:
        """Rows of all processes, with gradients; one process has them all."""
        if self.context.world_size == 1:
            return rows
        gathered: Tensor = self.all_gather(rows, sync_grads=rows.requires_grad)  # type: ignore[assignment]
        return gathered.flatten(0, 1)

    def _batch_size(self) -> int:
        return self.context.budget.phase_at(self.images_seen)[0].batch_size

    def _step(self) -> int:
        """Steps of this phase so far: a resumed run goes on where it stood."""
        return self.context.budget.phase_at(self.images_seen)[1] // self._batch_size()

    @property
    def gamma(self) -> float:
        """Weight of R1: as given, or by ADA's rule (its ``auto`` configuration)."""
        if self._gamma is not None:
            return self._gamma
        return 0.0002 * self.hr_size**2 / self._batch_size()

    def configure_optimizers(self) -> list[Adam]:
        """An Adam for each network, corrected for the steps its penalty adds."""
        fused = self.device.type in {"cpu", "cuda"}
        return [
            lazy_adam(self.generator, self._lr_generator, self._path, fused),
            lazy_adam(self.discriminator, self._lr, self._r1, fused),
        ]

    # -- what it is for ----------------------------------------------------------------------------

    @torch.no_grad()
    def preview(self) -> Tensor:
        """64 faces of the average, the same z throughout."""
        z = torch.randn(64, self.average.z_dim, generator=torch.Generator().manual_seed(0))
        faces = [self.average.forward(part) for part in z.to(self.device).split(16)]
        return torch.cat(faces).float().add(1).div(2).clamp(0, 1)

    def super_resolve(self, lr: Tensor) -> Tensor:
        """Not what a prior does."""
        raise ConfigError("stylegan2 is a prior: it makes faces, it does not super-resolve them.")

    def inference_modules(self) -> Sequence[nn.Module]:
        """The averaged generator."""
        return [self.average]
