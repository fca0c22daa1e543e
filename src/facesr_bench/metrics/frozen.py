"""A network that only measures: frozen, eval mode, float32, whatever precision the method trained in.

Two things make scores of other suites drift: TF32 or autocast left on from training, and kernels that
change with the batch size. Here precision is pinned around every call, and images go through in chunks
whose size depends on the images' size alone, the last one filled up, so that neither the caller's
batch nor the number of ranks can move a score.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_CHUNK_PIXELS = 16 * 128 * 128
_LARGEST_CHUNK = 16


@contextmanager
def exact_float32() -> Iterator[None]:
    """No gradients, no autocast, no TF32 or bf16 inside products, deterministic cuDNN.

    The caller's settings come back, whichever of PyTorch's two ways set them.
    """
    cudnn = torch.backends.cudnn
    before = (cudnn.deterministic, cudnn.benchmark)
    cudnn.deterministic, cudnn.benchmark = True, False
    restore = _ieee_products()
    try:
        with (
            torch.no_grad(),
            torch.autocast("cuda", enabled=False),
            torch.autocast("cpu", enabled=False),
        ):
            yield
    finally:
        restore()
        cudnn.deterministic, cudnn.benchmark = before


def _ieee_products() -> Callable[[], None]:
    """Make float32 products exact; returns what puts the caller's settings back."""
    switches = []
    for name in (
        "cuda.matmul",
        "cudnn.conv",
        "cudnn.rnn",
        "mkldnn.matmul",
        "mkldnn.conv",
        "mkldnn.rnn",
    ):
        part: Any = torch.backends
        for word in name.split("."):
            part = getattr(part, word, None)
        if hasattr(part, "fp32_precision"):
            switches.append((part, part.fp32_precision))
    if not switches:  # PyTorch before 2.9 has only the flags
        return _ieee_by_flags()
    legacy = _asked(torch.get_float32_matmul_precision)
    convolutions = _asked(lambda: torch.backends.cudnn.allow_tf32)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    for part, _ in switches:
        part.fp32_precision = "ieee"
    # Also as a whole: libraries that run inside read the old flag, which refuses to sum up its parts.
    torch.backends.cudnn.fp32_precision = "ieee"  # type: ignore[attr-defined]

    def restore() -> None:
        if legacy is not None:
            torch.set_float32_matmul_precision(legacy)
        if convolutions is not None:
            torch.backends.cudnn.allow_tf32 = convolutions
        for part, value in switches:
            part.fp32_precision = value

    return restore


def _asked(question: Callable[[], Any]) -> Any:
    """The answer, or None where the new switches were used and the old question refuses."""
    try:
        return question()
    except RuntimeError:
        return None


def _ieee_by_flags() -> Callable[[], None]:
    cudnn, legacy = torch.backends.cudnn, torch.get_float32_matmul_precision()
    convolutions = cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")  # covers cuda.matmul.allow_tf32 and mkldnn
    cudnn.allow_tf32 = False

    def restore() -> None:
        torch.set_float32_matmul_precision(legacy)
        cudnn.allow_tf32 = convolutions

    return restore


class FrozenNetwork(nn.Module):
    """Wraps a network for measuring.

    Args:
        network: takes what ``prepare`` gives, returns (B, ...).
        prepare: float32 (B, 3, H, W) on the scale 0..255 to what the network takes.
        chunk_pixels: pixels that go through at once; chunks hold 1 to 16 images.
    """

    def __init__(
        self,
        network: nn.Module,
        prepare: Callable[[Tensor], Tensor],
        chunk_pixels: int = _CHUNK_PIXELS,
    ) -> None:
        super().__init__()
        self.network = network.float().requires_grad_(False)
        self.prepare = prepare
        self.chunk_pixels = chunk_pixels
        self._layout: torch.memory_format | None = None
        self.eval()

    def train(self, mode: bool = True) -> "FrozenNetwork":
        """Stay in eval mode."""
        return super().train(False)

    def chunk(self, height: int, width: int) -> int:
        """Images of this size that go through at once."""
        return max(1, min(_LARGEST_CHUNK, self.chunk_pixels // (height * width)))

    def forward(self, *images: Tensor) -> Tensor:
        """Run the network on the caller's device of choice.

        Args:
            images: one or more uint8 (B, 3, H, W) batches that belong together (SR and HR of LPIPS);
                ``prepare`` and the network get them one after another as arguments.

        Returns:
            (B, ...) float32 on the CPU.
        """
        number = len(images[0])
        size = self.chunk(*images[0].shape[2:])
        device = next((p.device for p in self.network.parameters()), torch.device("cpu"))
        # Measured: channels_last is 3x as fast for SqueezeNet on a CPU, 1.4x for Inception, 1x for VGG.
        on_cpu = device.type == "cpu"
        layout = torch.channels_last if on_cpu else torch.contiguous_format
        if layout != self._layout:
            self.network.to(memory_format=layout)  # type: ignore[call-overload]
            self._layout = layout
        parts = []
        with exact_float32():
            for start in range(0, number, size):
                chunks = [_filled(batch[start : start + size], size) for batch in images]
                inputs = [
                    self.prepare(chunk.to(device).float()).contiguous(memory_format=layout)
                    for chunk in chunks
                ]
                kept = min(size, number - start)
                parts.append(self.network(*inputs)[:kept].float().cpu())
        return torch.cat(parts) if parts else torch.empty(0)


def _filled(images: Tensor, size: int) -> Tensor:
    """The last chunk with its last image repeated."""
    lacking = size - len(images)
    return images if lacking == 0 else torch.cat([images, images[-1:].expand(lacking, -1, -1, -1)])
