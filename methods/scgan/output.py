"""What the network's [-1, 1] become as a picture: a clamp, or what the official test script does."""

from typing import Literal

from torch import Tensor

Output = Literal["clamp", "official"]


def to_picture(image: Tensor, output: Output) -> Tensor:
    """Map (B, 3, H, W) in [-1, 1] to [0, 1].

    Args:
        image: of the network.
        output: ``"clamp"`` is ``(x + 1) / 2``. ``"official"`` stretches every image between its own
            darkest and brightest value and cuts off to 8 bits, which moves PSNR; it makes the
            authors' images of the authors' weights.
    """
    if output == "clamp":
        return image.add(1).div(2).clamp(0, 1)
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    stretched = (image - low) / (high - low).clamp_min(1e-12)  # a flat image is black
    return stretched.mul(255).floor().div(255)
