"""PULSE as a method of the suite: its arguments, and from an LR image to an HR one."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from facesr_bench.errors import ConfigError, WeightsError
from facesr_bench.method import Method
from facesr_bench.nets.stylegan2.folded import fold
from facesr_bench.nets.stylegan2.frozen_synthesis import freeze
from facesr_bench.priors import LoadedPrior
from facesr_bench.seeding import torch_rng

from .arguments import check_arguments, zeroed_maps
from .downscale import BicubicDownSample
from .gaussian_fit import gaussian_fit
from .latent_map import GaussianCodes, LatentMap, MappedCodes, post_gain
from .losses import Loss
from .memory import fitting_batch
from .schedule import OptimizerName, Schedule
from .search import Found, Recipe, ReturnImage, search
from .variables import NoiseType, SearchSpace, Variables

_MOST = 16
"""Images at once: more are not faster, and SR images are stored after each batch."""

_MOST_PIXELS_CPU = 1 << 18
"""Of the images searched for at once on a CPU, which large images keep busy one by one."""


class PULSE(Method):
    """Search a prior for a face whose reduction is the LR image (Menon et al., CVPR 2020).

    Nothing is trained: each image is a search of its own, from a start that depends on the seed and the
    image's key alone.

    Args:
        prior: the generator; at least as large as the HR images.
        hr_size: side of the SR images, to which the prior's are reduced; None for the prior's own.
        loss: sum of weight*NAME, see :class:`~.losses.Loss`.
        eps: MSE from which on an image counts as found, and L2 has no gradient.
        noise_type: maps are "zero", "fixed" or "trainable".
        trainable_noise_layers: how many maps are searched.
        bad_noise_layers: indices of maps that are always zero, or one index; None for the last one.
        tile_latent: one latent for all layers (W) instead of one each (W+).
        sphere: stay on the sphere the search started on.
        opt: adam, sgd, sgdm or adamax.
        lr: learning rate at the top of the schedule.
        schedule: see :func:`~.schedule.multiplier`.
        steps: images generated in one search.
        latent_map: "gaussian_fit", "none" (search codes directly) or "z" (through the mapping).
        return_image: "last" (official) or "best".
        duplicates: independent searches for each image, of which the one of the lowest loss is kept.
        seed: of the starts, any whole number.
        fit_samples: normal vectors behind the Gaussian fit.
        batch_size: images searched for at once; None chooses by memory.
        bf16: run the synthesis in bfloat16.
        channels_last: keep a StyleGAN2 in channels_last memory format (StyleGAN1's normalisation would
            copy its maps), and on a CPU run it by ``nets.stylegan2.frozen_synthesis``.
        compile: compile it with ``torch.compile``.

    Raises:
        ConfigError: an argument that cannot work, or a prior from which ``hr_size`` cannot be made.
    """

    paper: ClassVar[str] = (
        "Menon et al., PULSE: Self-Supervised Photo Upsampling via Latent Space Exploration of "
        "Generative Models, CVPR 2020"
    )
    reference: ClassVar[str] = "https://github.com/adamian98/pulse at 40cacb97"
    trainable: ClassVar[bool] = False
    exportable: ClassVar[bool] = False
    no_export: ClassVar[str] = (
        "it searches for each face by gradient descent, and a graph of fixed operations holds no "
        "search. Use stage=predict, or export a method that maps LR to SR at once."
    )

    def __init__(
        self,
        *,
        prior: LoadedPrior,
        hr_size: int | None = None,
        loss: str = "100*L2+0.05*GEOCROSS",
        eps: float = 2e-3,
        noise_type: NoiseType = "trainable",
        trainable_noise_layers: int = 5,
        bad_noise_layers: int | Sequence[int] | None = None,
        tile_latent: bool = False,
        sphere: bool = True,
        opt: OptimizerName = "adam",
        lr: float = 0.4,
        schedule: Schedule = "linear1cycledrop",
        steps: int = 100,
        latent_map: LatentMap = "gaussian_fit",
        return_image: ReturnImage = "last",
        duplicates: int = 1,
        seed: int = 2020,
        fit_samples: int = 1_000_000,
        batch_size: int | None = None,
        bf16: bool = False,
        channels_last: bool = True,
        compile: bool = False,
    ) -> None:
        check_arguments(locals())
        super().__init__()
        network = prior.network
        self.prior = prior
        self.synthesis = network.synthesis  # of the mapping only what the latent map needs
        self.hr_size = prior.resolution if hr_size is None else hr_size
        self._check_prior(self.hr_size)
        self.space = SearchSpace(
            codes=network.num_codes,
            width=network.z_dim if latent_map == "z" else network.w_dim,
            tile=tile_latent,
            noise_shapes=network.noise_shapes,
            noise_type=noise_type,
            trainable=trainable_noise_layers,
            zeroed=zeroed_maps(bad_noise_layers, prior),
        )
        self.recipe = Recipe(Loss.parse(loss, eps), steps, opt, lr, schedule, sphere, return_image)
        self.duplicates, self.seed, self.bf16 = duplicates, seed, bf16
        self._batch_size = batch_size
        self.trained_on = [dict(entry) for entry in prior.trained_on]
        self.weight_files = [dict(entry) for entry in prior.files]
        self.latent_map = self._latent_map(latent_map, fit_samples)
        self.shrink = BicubicDownSample(prior.resolution, prior.resolution // self.hr_size)
        self._reductions = nn.ModuleDict()  # by LR side
        if channels_last and prior.family == "stylegan2":
            self.synthesis.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._by_hand = channels_last and not compile  # the compiler writes its own
        self.prior_changed()
        self.register_load_state_dict_post_hook(  # type: ignore[no-untyped-call]
            lambda method, _: method.prior_changed()
        )
        if compile:
            self.synthesis.compile()

    def prior_changed(self) -> None:
        """Compute the synthesis's constants from its weights anew; who fine-tunes the prior calls it.

        The Gaussian fit stays: it belongs to the mapping.
        """
        self._folded = fold(self.synthesis)
        if self._by_hand:
            freeze(self.synthesis)

    def _latent_map(self, kind: LatentMap, samples: int) -> nn.Module:
        if kind == "none":
            return nn.Identity()
        if kind == "z":
            return MappedCodes(self.prior.network.mapping)
        (mean, std), published = gaussian_fit(self.prior, samples)
        if published is not None:
            name, digest = published.path.name, published.sha256
            self.weight_files.append({"file": name, "sha256": digest, "role": "gaussian fit"})
        return GaussianCodes(mean, std, post_gain(self.prior))

    # -- super-resolving --------------------------------------------------------------------------

    def super_resolve(self, lr: Tensor) -> Tensor:
        """:meth:`restore` where images have no names: the hash of its pixels names each."""
        pixels = lr.detach().cpu().contiguous().numpy()
        return self.restore(lr, [hashlib.sha256(image.tobytes()).hexdigest() for image in pixels])

    def restore(self, lr: Tensor, keys: Sequence[str]) -> Tensor:
        """LR (N, 3, s, s) in [0, 1] to SR (N, 3, hr_size, hr_size) in [0, 1], RGB.

        Reports of each image: ``converged`` (1 where the official code would have yielded an image),
        ``lr_mse``, ``best_lr_mse``, ``loss`` (:class:`~.search.Found`) and ``seconds`` (the batch's,
        shared out).
        """
        started = time.perf_counter()
        chosen: Found | None = None
        for found in self.restarts(lr, keys):
            chosen = found if chosen is None else _lower(chosen, found)
        assert chosen is not None  # duplicates is at least 1
        sr = chosen.images
        # As float32 on both sides: an MSE of exactly eps has converged.
        converged = chosen.best_lr_mse <= chosen.best_lr_mse.new_tensor(self.recipe.loss.eps)
        numbers = {
            "converged": converged.float(),
            "lr_mse": chosen.lr_mse,
            "best_lr_mse": chosen.best_lr_mse,
            "loss": chosen.loss,
        }
        findings = {name: values.cpu() for name, values in numbers.items()}  # waits for a GPU
        each = (time.perf_counter() - started) / len(lr)
        self.report(findings | {"seconds": torch.full((len(lr),), each)})
        return sr

    def restarts(self, lr: Tensor, keys: Sequence[str]) -> Iterator[Found]:
        """Every independent search of ``duplicates``, its images clamped and of side ``hr_size``."""
        reduce = self._reduction(lr.shape[-1], lr.device)
        for restart in range(self.duplicates):
            names = [key if restart == 0 else f"{key}|{restart}" for key in keys]
            with torch.enable_grad():
                found = search(lr, self.start(names, lr.device), self.generate, reduce, self.recipe)
            # 8-bit HR would have been clamped before anybody reduced it; bicubic overshoots again.
            images = self.shrink(found.images.clamp(0, 1)).clamp(0, 1)
            yield replace(found, images=images)

    def start(self, keys: Sequence[str], device: torch.device) -> Variables:
        """Where the searches for these keys begin: it depends on nothing but (seed, key)."""
        generators = [torch_rng(self.seed, "pulse", key) for key in keys]
        return self.space.draw(generators, device)

    def generate(self, latent: Tensor, noise: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Latents (N, L or 1, width) and noise maps to images (N, 3, S, S) and codes (N, L, w_dim)."""
        codes = self.latent_map(latent).expand(-1, self.space.codes, -1)
        with torch.autocast(latent.device.type, torch.bfloat16, enabled=self.bf16):
            images = self.synthesis(codes, noise)
        return (images.float() + 1) / 2, codes

    def _reduction(self, side: int, device: torch.device) -> nn.Module:
        """D_f for LR images of this side, made on first use."""
        name = str(side)
        if name not in self._reductions:
            self._check_lr(side)
            factor = self.prior.resolution // side
            self._reductions[name] = BicubicDownSample(self.prior.resolution, factor).to(device)
        return self._reductions[name].to(device)

    # -- what the harness asks --------------------------------------------------------------------

    def test_batch_size(self, lr: Tensor, default: int) -> int:
        """``batch_size``; where it is None, as many as half of the free memory holds."""
        if self._batch_size is not None:
            return self._batch_size
        reduce = self._reduction(lr.shape[-1], lr.device)
        short = replace(self.recipe, steps=2)

        def one() -> None:
            with torch.enable_grad():
                search(lr, self.start(["one"], lr.device), self.generate, reduce, short)

        most = _MOST
        # Outside a run nobody has attached a trainer, and no process shares the memory.
        sharing = 1 if self._trainer is None else self.trainer.num_devices
        if lr.device.type == "cpu":
            most = max(1, min(most, _MOST_PIXELS_CPU // self.prior.resolution**2))
        return fitting_batch(one, lr.device, most, sharing)

    def check_sizes(self, lr: tuple[int, int], hr: tuple[int, int]) -> None:
        """The prior must be at least as large as the HR images, and a multiple of both."""
        if hr[0] != hr[1] or lr[0] != lr[1]:
            raise ConfigError(f"PULSE's priors make square images; the data have {hr[0]}x{hr[1]}.")
        self._check_prior(hr[0])
        if hr[0] != self.hr_size:
            raise ConfigError(
                f"PULSE is to make images of {self.hr_size} pixels, but the data have {hr[0]}; set "
                f"method.hr_size={hr[0]}."
            )
        self._reduction(lr[0], self.device)

    def _check_prior(self, side: int) -> None:
        size, name = self.prior.resolution, self.prior.name
        if size < side or size % side:
            raise ConfigError(
                f"The prior {name} makes images of {size} pixels, from which none of {side} can be "
                "made. Choose a larger one: prior@method.prior=stylegan1_ffhq (1024 pixels)."
            )

    def _check_lr(self, side: int) -> None:
        size, name = self.prior.resolution, self.prior.name
        if size % side:
            raise ConfigError(
                f"The {size} pixels of the prior {name} are no multiple of the {side} of the LR images."
            )
        BicubicDownSample(size, size // side)  # says what else it cannot do

    def inference_modules(self) -> Sequence[nn.Module]:
        """The synthesis; the mapping only where searches pass it."""
        return [self.synthesis, self.latent_map]

    def adapt_state_dict(self, content: Mapping[str, Any]) -> dict[str, Tensor]:
        """PULSE has no weights of its own to load.

        Raises:
            WeightsError: always; it says how to choose a prior.
        """
        raise WeightsError(
            "PULSE has no weights of its own, so ckpt= and init= mean nothing to it. A prior you "
            "trained is chosen by prior@method.prior=file method.prior.path=FILE."
        )


def _lower(one: Found, other: Found) -> Found:
    """For each image the restart of the lower loss."""
    better = other.loss < one.loss

    def pick(new: Tensor, old: Tensor) -> Tensor:
        return torch.where(better.reshape(-1, *[1] * (old.ndim - 1)), new, old)

    return Found(
        pick(other.images, one.images),
        pick(other.lr_mse, one.lr_mse),
        pick(other.best_lr_mse, one.best_lr_mse),
        pick(other.loss, one.loss),
    )
