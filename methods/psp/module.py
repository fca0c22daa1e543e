"""pSp as a method of the suite: its arguments, its inputs, and one training step."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, mse_loss

from facesr_bench.checkpoints import load_weights
from facesr_bench.degradations.mirrored import pulse_matrix
from facesr_bench.errors import ConfigError
from facesr_bench.method import Batch, Method, TrainingContext
from facesr_bench.nets.identity import IdentityNetwork, identity_network
from facesr_bench.nets.lpips_distance import Backbone, LPIPSDistance, lpips_distance
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.priors.loaded import LoadedPrior
from facesr_bench.priors.shapes import stylegan2_sizes
from facesr_bench.resize import resize
from facesr_bench.seeding import torch_rng
from facesr_bench.weights.loading import WeightFile, load_state, locate
from facesr_bench.weights.psp import psp_parts

from .encoder import FULL_DEPTHS, PyramidEncoder
from .frozen import FrozenDecoder
from .ranger import Ranger


class PSP(Method):
    """pixel2style2pixel (Richardson et al., CVPR 2021), trained for super-resolution.

    Faces of any size are enlarged to ``input_size``, encoded, and drawn by a frozen StyleGAN2. Trained
    on faces that were reduced by a factor drawn anew for each, so that one network serves many.

    Args:
        prior: frozen, and in no checkpoint; None with ``weights``, which bring their own.
        hr_size: side of the images to make, the prior's.
        factor: HR side over LR side.
        input_size: side of what the encoder sees.
        style_width: channels inside its heads.
        depths: blocks of its body, by width.
        weights: registered checkpoint of the authors ("psp_sr"): the method is then measured, not
            trained.
        body_weights: registered IR-SE50 the body starts from; None for a random start.
        factors: of the training inputs.
        l2_weight: of the squared error.
        lpips_weight: of LPIPS.
        lpips: its backbone; None leaves it out.
        id_weight: of the identity loss.
        identity: registered recognition network; None leaves it out.
        w_norm_weight: of the length of the offsets from the average code.
        loss_size: images are brought to this side before they are compared.
        lr: Ranger's learning rate.
    """

    paper: ClassVar[str] = (
        "Richardson et al., Encoding in Style: a StyleGAN Encoder for Image-to-Image Translation, "
        "CVPR 2021"
    )
    reference: ClassVar[str] = "https://github.com/eladrich/pixel2style2pixel"
    pairing: ClassVar[Literal["paired", "unpaired", "hr"]] = "hr"

    def __init__(
        self,
        *,
        prior: LoadedPrior | None = None,
        hr_size: int = 1024,
        factor: int = 64,
        input_size: int = 256,
        style_width: int = 512,
        depths: Sequence[int] = FULL_DEPTHS,
        weights: str | None = None,
        body_weights: str | None = "arcface_irse50",
        factors: Sequence[int] = (1, 2, 4, 8, 16, 32),
        l2_weight: float = 1.0,
        lpips_weight: float = 0.8,
        lpips: Backbone | None = "alex",
        id_weight: float = 0.1,
        identity: str | None = "arcface_irse50",
        w_norm_weight: float = 0.005,
        loss_size: int = 256,
        lr: float = 1e-4,
    ) -> None:
        super().__init__()
        if any(factor < 1 or input_size % factor for factor in factors) or not factors:
            raise ConfigError(f"pSp: factors={list(factors)} must divide input_size={input_size}.")
        self.hr_size, self.factor = hr_size, factor
        encoder_state: Mapping[str, Tensor] | None = None
        average: Tensor | None = None
        files: list[dict[str, str]] = []
        if weights is not None:
            file = locate(weights)
            parts = psp_parts(load_state(file))
            network = StyleGAN2(**stylegan2_sizes(parts.decoder, weights))
            load_weights(network, {"state_dict": parts.decoder}, weights)
            files.append(_entry(file, "encoder and decoder"))
            prior = LoadedPrior(weights, network, [{"data": "FFHQ 1024"}], files)
            encoder_state, average = parts.encoder, parts.latent_avg
            self.trainable = False  # type: ignore[misc]  # nothing is left to learn
            self.trained_on = [{"data": "CelebA-HQ, by pSp's authors"}]
        elif prior is not None:
            self.trained_on = [dict(entry) for entry in prior.trained_on]
            files += [dict(entry) for entry in prior.files]
        if prior is None or not isinstance(prior.network, StyleGAN2):
            raise ConfigError(
                "pSp stands on a StyleGAN2: choose one by prior@method.prior=NAME, or the authors' own "
                "by method.weights=psp_sr."
            )
        self.prior = prior
        self.decoder = FrozenDecoder(prior.network)
        codes, w_dim = prior.network.num_codes, prior.network.w_dim
        self.encoder = PyramidEncoder(codes, w_dim, input_size, style_width, depths)
        if encoder_state is not None:
            load_weights(self.encoder, {"state_dict": dict(encoder_state)}, str(weights))
        elif body_weights is not None:
            files.append(_start_body(self.encoder, body_weights))
        self.weight_files = files
        if average is None:
            average = prior.network.mapping.w_avg.expand(codes, -1)
        self.latent_avg: Tensor
        self.register_buffer("latent_avg", average.clone(), persistent=False)
        self._reductions = {f: _pulse(input_size, f) for f in factors}
        self._factors, self._loss_size, self._lr = tuple(factors), loss_size, lr
        self._weights = {
            "l2": l2_weight,
            "lpips": lpips_weight,
            "id": id_weight,
            "w": w_norm_weight,
        }
        self._lpips = lpips if lpips_weight > 0 else None
        self._identity = identity if id_weight > 0 else None
        self.lpips: LPIPSDistance | None = None
        self.recogniser: IdentityNetwork | None = None
        self.loss_networks = tuple(  # type: ignore[misc]  # a fact of this configuration
            name
            for name in (self._lpips and f"lpips_{self._lpips}", self._identity)
            if name is not None
        )

    def bind(self, context: TrainingContext) -> None:
        """Open the networks that losses look through."""
        if self._lpips is not None:
            self.lpips = lpips_distance(self._lpips)
        if self._identity is not None:
            self.recogniser = identity_network(self._identity)
        super().bind(context)

    # -- training ---------------------------------------------------------------------------------

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The authors' four losses, at ``loss_size``; the decoder's noise is random in training."""
        hr = batch["hr"].mul(2).sub(1)
        offsets = self.encoder(self.inputs(hr))
        shapes = self.decoder.network.noise_shapes
        maps = [
            self.noise(f"map{number}", len(hr), 1, *shape, on_device=True)
            for number, shape in enumerate(shapes)
        ]
        image = self.decoder(offsets + self.latent_avg, maps)
        faces, truth = _averaged(image, self._loss_size), _reduced(hr, self._loss_size)
        losses = {"l2": mse_loss(faces, truth), "w": offsets.flatten(1).norm(dim=1).mean()}
        if self.lpips is not None:
            losses["lpips"] = self.lpips(_to_border(faces), _to_border(truth)).mean()
        if self.recogniser is not None:
            same = self.recogniser(_to_border(faces)) * self.recogniser(_to_border(truth)).detach()
            losses["id"] = 1 - same.sum(1).mean()
        loss = torch.stack([self._weights[name] * value for name, value in losses.items()]).sum()
        self.log_losses(losses | {"E": loss})
        return loss

    def inputs(self, hr: Tensor) -> Tensor:
        """HR (N, 3, H, H) in [-1, 1] to what the encoder trains on.

        Each face is reduced by a factor of its own and enlarged again, bilinearly. The authors'
        ``BilinearResize`` is, despite its name, the bicubic reduction of PULSE, which at a factor of 1
        still moves the face by half a pixel and softens it.
        """
        context, side = self.context, self.encoder.input_size
        rng = torch_rng(context.seed, "factor", self.images_seen)
        drawn = torch.randint(len(self._factors), (len(hr) * context.world_size,), generator=rng)
        own = context.share(drawn).tolist()
        faces = _resized(hr, side)
        return torch.cat(
            [
                self._degraded(face, self._factors[number])
                for face, number in zip(faces.split(1), own, strict=True)
            ]
        )

    def _degraded(self, face: Tensor, factor: int) -> Tensor:
        matrix = self._reductions[factor].to(face)
        return _resized((matrix @ face @ matrix.t()).clamp(-1, 1), face.shape[2])

    def configure_optimizers(self) -> Ranger:
        """Ranger of the encoder."""
        return Ranger(self.encoder.parameters(), lr=self._lr)

    # -- inference --------------------------------------------------------------------------------

    def codes(self, lr: Tensor) -> Tensor:
        """LR (N, 3, h, w) in [0, 1] to codes (N, L, w_dim)."""
        images = _resized(lr.mul(2).sub(1), self.encoder.input_size)
        offsets: Tensor = self.encoder(images)
        return offsets + self.latent_avg

    def super_resolve(self, lr: Tensor) -> Tensor:
        """LR (N, 3, h, w) in [0, 1] to faces of the prior's size, the same."""
        return _to_border(self.decoder(self.codes(lr))).clamp(0, 1).contiguous()

    def inference_modules(self) -> Sequence[nn.Module]:
        """The encoder and the synthesis."""
        return [self.encoder, self.decoder.network.synthesis]

    def check_sizes(self, lr: tuple[int, int], hr: tuple[int, int]) -> None:
        """HR must be the prior's."""
        super().check_sizes(lr, hr)
        side = self.prior.resolution
        if hr != (side, side):
            raise ConfigError(
                f"pSp with the prior {self.prior.name} makes faces of {side} pixels, but the data have "
                f"{hr[0]}; choose another prior by prior@method.prior=NAME, or other data."
            )


def _start_body(encoder: PyramidEncoder, weights: str) -> dict[str, str]:
    """The authors start the body from the identity network itself."""
    file = locate(weights)
    state = load_state(file)
    kept = {name: x for name, x in state.items() if not name.startswith("output_layer.")}
    own = encoder.state_dict()
    if {n for n in own if n.startswith(("body.", "input_layer."))} != set(kept):
        raise ConfigError(
            f"pSp: body_weights={weights} fit IR-SE50 with all its blocks; with other depths set "
            "method.body_weights=null."
        )
    encoder.load_state_dict({**own, **kept})
    return _entry(file, "start of the encoder's body")


def _entry(file: WeightFile, role: str) -> dict[str, str]:
    return {"file": file.path.name, "sha256": file.sha256, "role": role}


def _pulse(size: int, factor: int) -> Tensor:
    return torch.from_numpy(pulse_matrix(size, factor).copy()).float()


def _resized(images: Tensor, side: int) -> Tensor:
    """Bilinear either way, as Pillow resizes: where it gets smaller, with the kernel widened."""
    if images.shape[2] == side:
        return images
    if images.shape[2] > side:
        return resize(images, (side, side), "bilinear")
    return interpolate(images, size=(side, side), mode="bilinear", align_corners=False)


def _reduced(images: Tensor, side: int) -> Tensor:
    """What the authors compare with: larger images are resized as the inputs are."""
    return _resized(images, side) if images.shape[2] > side else images


def _averaged(images: Tensor, side: int) -> Tensor:
    """Means, where the images are larger: how the authors reduce what the decoder drew."""
    return adaptive_avg_pool2d(images, side) if images.shape[2] > side else images


def _to_border(images: Tensor) -> Tensor:
    return images.float().add(1).div(2)
