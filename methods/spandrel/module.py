"""A checkpoint of somebody else's network as a method; spandrel tells which architecture it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from facesr_bench.checkpoints import file_sha256
from facesr_bench.errors import ConfigError, WeightsError
from facesr_bench.method import Method
from facesr_bench.resize import resize
from facesr_bench.seeding import torch_rng

from .loading import load_network

Fit = Literal["exact", "bicubic"]
Enlarge = Literal["bilinear", "bicubic"]
FACE_SIDE = 512
"""Of GFPGAN, RestoreFormer and CodeFormer."""

BILINEAR = ("GFPGAN", "RestoreFormer", "CodeFormer")
"""Architectures whose authors train and show them faces enlarged by OpenCV's bilinear kernel."""
FIDELITY = ("CodeFormer",)
"""Architectures with a weight between the code book and the face that is shown."""


class SpandrelNetwork(Method):
    """Run a network that spandrel loads (ESRGAN, Real-ESRGAN, SwinIR, RCAN, GFPGAN ...).

    The file is opened by our own reader (plain tensors only) and spandrel is handed the state dict, so
    nothing in it can run. Networks for aligned faces (GFPGAN, RestoreFormer, CodeFormer) enlarge
    nothing: they are shown the LR face at the side they were made for.

    Args:
        checkpoint: the file (.pth, .pt, .ckpt, .safetensors).
        hr_size: side of the SR images.
        factor: HR side over LR side.
        fit: "exact": the network's own output must have that side; "bicubic": its output is resized to
            it, with antialiasing, where it has another.
        face_side: what face networks are shown, in pixels; None: 512, which all of them are made for.
        enlarge: kernel by which face networks are shown LR; None: what the architecture was made for,
            OpenCV's bilinear for GFPGAN, RestoreFormer and CodeFormer, bicubic for others.
        fidelity: CodeFormer's weight, from 0 (quality) to 1 (fidelity); None: its default, 0.5.
        paper: what the network is, for tables; None: the architecture's name.
        trained_on: data behind the weights, as far as you know, for the record.

    Raises:
        ConfigError: no checkpoint named, or sizes that do not fit.
        MissingRequirement: spandrel is not installed.
        WeightsError: a file that is missing, damaged, unsafe, or of no known architecture.
    """

    paper = "A network loaded by spandrel"
    reference = "https://github.com/chaiNNer-org/spandrel"
    trainable = False
    origin: ClassVar[str] = "weights from a file"

    def __init__(
        self,
        checkpoint: str | None = None,
        hr_size: int = 64,
        factor: int = 4,
        fit: Fit = "exact",
        face_side: int | None = None,
        enlarge: Enlarge | None = None,
        fidelity: float | None = None,
        paper: str | None = None,
        trained_on: Sequence[dict[str, Any]] = (),
    ) -> None:
        super().__init__()
        if not checkpoint:
            raise ConfigError(
                "+method=spandrel runs somebody's network; say where its weights lie: "
                "method.checkpoint=FILE."
            )
        if fit not in ("exact", "bicubic"):
            raise ConfigError(f"method.fit={fit} is not one of exact, bicubic.")
        path = Path(checkpoint).expanduser()
        self._descriptor = load_network(path)
        self.network: nn.Module = self._descriptor.model.float()
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        self.factor: int = factor
        self.hr_size, self.fit = hr_size, fit
        self.architecture = str(self._descriptor.architecture.name)
        self.paper = paper or f"{self.architecture}, loaded by spandrel"  # type: ignore[misc]
        self.trained_on = [dict(entry) for entry in trained_on]
        self.weight_files = [
            {
                "file": path.name,
                "sha256": file_sha256(path),
                "role": f"network ({self.architecture})",
            }
        ]
        self.shown = self._shown_side(face_side)
        self.enlarge = self._enlarging(enlarge)
        self._arguments = self._fidelity(fidelity)
        self._check_scale(path)

    def super_resolve(self, lr: Tensor) -> Tensor:
        """LR (B, 3, h, w) to SR (B, 3, h * factor, w * factor), float32 in [0, 1]."""
        size = (lr.shape[2] * self.factor, lr.shape[3] * self.factor)
        # One image at a time: more than that spandrel does not promise.
        sr = torch.cat([self._one(lr[number : number + 1]) for number in range(len(lr))])
        if tuple(sr.shape[2:]) != size:
            sr = resize(sr, size)
        return sr.clamp(0, 1)

    def restore(self, lr: Tensor, keys: Sequence[str]) -> Tensor:
        """As ``super_resolve``; GFPGAN's noise, drawn from PyTorch's own state, is seeded by key."""
        made = []
        devices = [self.device] if self.device.type == "cuda" else []
        for number, key in enumerate(keys):
            with torch.random.fork_rng(devices=devices):
                torch.manual_seed(torch_rng(2020, "spandrel", key).initial_seed())
                made.append(self.super_resolve(lr[number : number + 1]))
        return torch.cat(made)

    def _one(self, lr: Tensor) -> Tensor:
        if self.shown is None:
            found: Tensor = self._descriptor(lr)
            return found
        # The official demos show these networks [-1, 1] and read [-1, 1]; spandrel's call does not.
        face = resize(lr, (self.shown, self.shown), self.enlarge).clamp(0, 1)
        result = self.network(face * 2 - 1, **self._arguments)
        image: Tensor = result if isinstance(result, Tensor) else result[0]
        return (image + 1) / 2

    def inference_modules(self) -> Sequence[nn.Module]:
        """The network."""
        return [self.network]

    def _shown_side(self, face_side: int | None) -> int | None:
        """The side a network for aligned faces is shown; None for those that take LR as it is."""
        if self._descriptor.purpose != "FaceSR":
            if face_side is not None:
                raise ConfigError(
                    f"method.face_side is for face networks; {self.architecture} takes LR as it is."
                )
            return None
        return face_side or FACE_SIDE

    def _enlarging(self, enlarge: Enlarge | None) -> Enlarge:
        """How face networks are shown LR."""
        if enlarge not in (None, *get_args(Enlarge)):
            raise ConfigError(
                f"method.enlarge={enlarge} is not one of {', '.join(get_args(Enlarge))}."
            )
        if enlarge is not None and self.shown is None:
            raise ConfigError(
                f"method.enlarge is for face networks; {self.architecture} takes LR as it is."
            )
        return enlarge or ("bilinear" if self.architecture in BILINEAR else "bicubic")

    def _fidelity(self, fidelity: float | None) -> dict[str, float]:
        """What the network is called with besides the face."""
        if fidelity is None:
            return {}
        if self.architecture not in FIDELITY:
            raise ConfigError(
                f"method.fidelity is CodeFormer's weight; {self.architecture} has none."
            )
        if not 0 <= fidelity <= 1:
            raise ConfigError(f"method.fidelity={fidelity} must lie in [0, 1].")
        return {"weight": float(fidelity)}

    def _check_scale(self, path: Path) -> None:
        if (self._descriptor.input_channels, self._descriptor.output_channels) != (3, 3):
            raise WeightsError(f"{path}: the {self.architecture} in it is not for RGB images.")
        scale = int(self._descriptor.scale)
        side = self.hr_size // self.factor
        made = scale * (side if self.shown is None else self.shown)
        if made != self.hr_size and self.fit == "exact":
            raise ConfigError(
                f"{path}: this {self.architecture} makes {made}x{made} of a {side}x{side} face, but "
                f"the data want {self.hr_size}x{self.hr_size}. Choose data of another factor, or "
                "method.fit=bicubic, which resizes its result."
            )
