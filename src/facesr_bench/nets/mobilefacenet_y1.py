"""MobileFaceNet for 112x112 crops: insightface's model "y1", as converted from MXNet.

The converted file names its layers flatly (``res_3_block0_conv_sep_conv2d``), so the modules are
registered flatly, too. Its BatchNorms need eps 0: the smallest running variance in the file is
exactly 0.001, MXNet's eps, which the conversion therefore added already.
"""

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional

# First bottleneck of a stage (stride 2), residual blocks after it, their widths inside, width outside.
_STAGES = (
    ("dconv_23", 128, "res_3", 4, 128, 64),
    ("dconv_34", 256, "res_4", 6, 256, 128),
    ("dconv_45", 512, "res_5", 2, 256, 128),
)


class MobileFaceNetY1(nn.Module):
    """float32 (B, 3, 112, 112), RGB, (x - 127.5) / 128, to unit vectors (B, 128)."""

    def __init__(self) -> None:
        super().__init__()
        self._unit("conv_1", 3, 64, 3, stride=2)
        self._unit("conv_2_dw", 64, 64, 3, groups=64)
        width = 64
        for name, stride, inner, outer in _blocks():
            self._unit(f"{name}_conv_sep", width, inner, 1)
            self._unit(f"{name}_conv_dw", inner, inner, 3, stride=stride, groups=inner)
            self._unit(f"{name}_conv_proj", inner, outer, 1, linear=True)
            width = outer
        self._unit("conv_6sep", width, 512, 1)
        self._unit("conv_6dw7_7", 512, 512, 7, padding=0, groups=512, linear=True)
        self.pre_fc1 = nn.Linear(512, 128)
        self.fc1 = nn.BatchNorm1d(128, eps=0.0)

    def _unit(
        self,
        name: str,
        width_in: int,
        width: int,
        kernel: int,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        pad = kernel // 2 if padding is None else padding
        conv = nn.Conv2d(width_in, width, kernel, stride, pad, groups=groups, bias=False)
        self.add_module(f"{name}_conv2d", conv)
        self.add_module(f"{name}_batchnorm", nn.BatchNorm2d(width, eps=0.0))
        if not linear:
            self.add_module(f"{name}_relu", nn.PReLU(width))

    def _run(self, name: str, x: Tensor) -> Tensor:
        x = self._modules[f"{name}_batchnorm"](self._modules[f"{name}_conv2d"](x))  # type: ignore[misc]
        activation = self._modules.get(f"{name}_relu")
        return x if activation is None else activation(x)

    def forward(self, x: Tensor) -> Tensor:
        """Embed aligned crops."""
        x = self._run("conv_2_dw", self._run("conv_1", x))
        for name, stride, _, _ in _blocks():
            before = x
            for part in ("sep", "dw", "proj"):
                x = self._run(f"{name}_conv_{part}", x)
            x = x if stride == 2 else x + before
        x = self._run("conv_6dw7_7", self._run("conv_6sep", x))
        return functional.normalize(self.fc1(self.pre_fc1(x.flatten(1))))


def _blocks() -> Iterator[tuple[str, int, int, int]]:
    """Name, stride, inner and outer width of every bottleneck; those of stride 1 are residual."""
    for first, first_inner, rest, number, inner, outer in _STAGES:
        yield first, 2, first_inner, outer
        for index in range(number):
            yield f"{rest}_block{index}", 1, inner, outer
