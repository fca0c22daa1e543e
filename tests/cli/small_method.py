"""A method of sixteen weights whose training depends on everything a resume must bring back."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from facesr_bench.method import Batch, Method


class Small(Method):
    """Enlarge by repeating pixels, then a 1x1 convolution; trained with noise, by Adam."""

    paper = "None, a toy"

    def __init__(self, factor: int = 4) -> None:
        super().__init__()
        self.factor = factor
        self.conv = nn.Conv2d(3, 3, 1)

    def super_resolve(self, lr: Tensor) -> Tensor:
        return self.conv(functional.interpolate(lr, scale_factor=self.factor)).clamp(0, 1)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        noise = self.noise("z", len(batch["lr"]), *batch["lr"].shape[1:])
        loss = functional.l1_loss(self.super_resolve(batch["lr"] + 0.1 * noise), batch["hr"])
        self.log_losses({"pix": loss})
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.01)


def words(folder: Path) -> list[str]:
    """The words that choose it, after its YAML was written below ``folder``."""
    path = folder / "conf" / "method" / "small.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "name: small\n_target_: cli.small_method.Small\nfactor: ${data.factor}\n"
        "budget: {images: 96, batch_size: 8}\n"
    )
    return ["--config-dir", str(folder / "conf"), "+method=small"]
