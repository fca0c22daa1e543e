"""What the map is made of: the last layer of ResNet-101, and t-SNE."""

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before torchvision, see there)
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet101  # type: ignore[import-untyped]

from facesr_bench.errors import WeightsError, first_line
from facesr_bench.weights.loading import load_state, locate
from facesr_bench.weights.requirements import installed

WEIGHTS = "resnet101"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIDE = 224


class ResNet101(nn.Module):
    """ImageNet's ResNet-101 on faces of any size: 1000 numbers each, of its last linear layer.

    Raises:
        MissingRequirement: its weights are not here.
        WeightsError: the file is another network's.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network = resnet101(weights=None)
        file = locate(WEIGHTS)
        try:
            self.network.load_state_dict(load_state(file))
        except RuntimeError as error:
            raise WeightsError(
                f"{file.path} does not fit ResNet-101 ({first_line(error)})."
            ) from error
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 1000) of images (B, 3, H, W) in [0, 1], RGB."""
        large = functional.interpolate(
            images, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True
        )
        mean, std = (images.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
        features: Tensor = self.network((large - mean) / std)
        return features


@torch.no_grad()
def features_of(network: nn.Module, images: Tensor, batch: int = 32) -> NDArray[np.float32]:
    """Features of many images, a few at a time."""
    found = [network(part).float().cpu() for part in images.split(batch)]
    return np.asarray(torch.cat(found).numpy(), dtype=np.float32)


def map_of(features: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """Two coordinates of each row by t-SNE.

    Raises:
        MissingRequirement: scikit-learn is not installed.
    """
    tsne = installed("sklearn.manifold").TSNE
    perplexity = min(30.0, (len(features) - 1) / 3)
    fitted = tsne(n_components=2, init="pca", perplexity=perplexity, random_state=seed)
    return np.asarray(fitted.fit_transform(features), dtype=np.float64)
