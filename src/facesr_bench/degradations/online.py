"""Degradation drawn anew for every training image: PAN's model for old and compressed photos.

``x = JPEG((HR * k * b) reduced + n)``: aperture blur k, motion blur b, noise n (PAN, section 5.7). The
paper gives no ranges, and no unit for the motion's length; ours are in
``conf/degradation/pan_online.yaml``, each step applied to half of the images.
``conf/degradation/pan_online_lr.yaml`` is a variant of ours, in which the motion blur comes after the
reduction.
"""

import random
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from facesr_bench.degradations.arguments import check_factor, check_range, lr_size
from facesr_bench.degradations.base import Degradation
from facesr_bench.errors import ConfigError
from facesr_bench.images import UInt8Image
from facesr_bench.resize import KERNELS, Kernel

if TYPE_CHECKING:
    from torch import Tensor

    from facesr_bench.degradations.steps import Step


MotionAt = Literal["hr", "lr"]
"""Before the reduction, as the paper prints it, or after it."""


class Online(Degradation):
    """Random blurs, reduction, noise and JPEG, each applied with probability ``p``.

    albumentations composes the steps and gets a fresh random state for every image, since its own
    seeding repeats draws between workers, epochs and steps.

    Args:
        factor: HR side over LR side.
        blur: range of the Gaussian's sigma in LR pixels (times the factor in HR pixels).
        motion: range of the line's length in LR pixels, whole numbers; at "hr" times the factor in HR
            pixels.
        noise: range of sigma on the 0..255 scale.
        jpeg: range of the quality.
        p: probability of each step but the reduction.
        operator: kernel of the reduction, antialiased.
        motion_at: "hr": both blurs before the reduction; "lr": the motion blur after it.

    Raises:
        ConfigError: naming the argument that cannot be.
    """

    def __init__(
        self,
        factor: int = 8,
        *,
        blur: Sequence[float] = (0.2, 3.0),
        motion: Sequence[int] = (3, 15),
        noise: Sequence[float] = (0.0, 15.0),
        jpeg: Sequence[int] = (60, 100),
        p: float = 0.5,
        operator: Kernel = "bicubic",
        motion_at: MotionAt = "lr",
    ) -> None:
        self.factor = check_factor(factor)
        self.blur = check_range("blur", blur, 0.0, 100.0, open_low=True)
        self.motion = _whole("motion", motion, 1, 99)
        self.noise = check_range("noise", noise, 0.0, 255.0)
        self.jpeg = _whole("jpeg", jpeg, 1, 100)
        if not 0.0 <= p <= 1.0:
            raise ConfigError(f"p={p} is a probability and must lie in [0, 1].")
        if operator not in KERNELS:
            raise ConfigError(f"operator={operator!r} is none of {', '.join(KERNELS)}.")
        if motion_at not in get_args(MotionAt):
            raise ConfigError(
                f"motion_at={motion_at!r} is none of {', '.join(get_args(MotionAt))}."
            )
        self.p, self.operator = float(p), operator
        self.motion_at: MotionAt = motion_at
        self._of_thread = (
            threading.local()
        )  # a chain holds its random state, so threads cannot share

    def steps(self) -> "list[Step]":
        """The operators in order."""
        from facesr_bench.degradations.steps import Blur, Jpeg, MotionBlur, Noise, Reduce

        low, high = self.blur
        aperture = Blur((low * self.factor, high * self.factor), self.p)
        reduce = Reduce(self.factor, self.operator)
        first: list[Step] = [aperture, reduce, MotionBlur(self.motion, self.p)]
        if self.motion_at == "hr":
            short, long = self.motion
            first = [
                aperture,
                MotionBlur((short * self.factor, long * self.factor), self.p),
                reduce,
            ]
        return [*first, Noise(self.noise, self.p), Jpeg(self.jpeg, self.p)]

    def __call__(self, hr: UInt8Image, rng: np.random.Generator) -> UInt8Image:
        """uint8 (H, W, 3) to uint8 (H / factor, W / factor, 3)."""
        lr_size(hr, self.factor)
        chain = getattr(self._of_thread, "chain", None)
        if chain is None:
            import albumentations

            chain = self._of_thread.chain = albumentations.Compose(self.steps(), seed=0)
        # Not set_random_seed: it gives every step the same seed, and so all steps the same coin.
        chain.set_random_state(rng, random.Random(int(rng.integers(2**63))))
        values = chain(image=hr.astype(np.float64))["image"]
        return np.asarray(np.rint(values.clip(0.0, 255.0)), dtype=np.uint8)

    def on_device(self, hr: "Tensor", rngs: Sequence[np.random.Generator]) -> "Tensor":
        """The same steps for a training batch on its device, by kornia."""
        from facesr_bench.degradations.device import apply_steps

        return apply_steps(self.steps(), hr, rngs)

    def settings(self) -> dict[str, Any]:
        """Plain JSON values; motion at LR is not named, so that older protocols keep their hash."""
        named = {} if self.motion_at == "lr" else {"motion_at": self.motion_at}
        return {
            "kind": "online",
            "factor": self.factor,
            "blur_lr_pixels": list(self.blur),
            "motion": list(self.motion),
            "noise": list(self.noise),
            "jpeg": list(self.jpeg),
            "jpeg_subsampling": "4:2:0",
            "p": self.p,
            "operator": self.operator,
            **named,
        }

    def __getstate__(self) -> dict[str, Any]:
        """Workers build their own chain."""
        return {name: value for name, value in self.__dict__.items() if name != "_of_thread"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As built, without a chain."""
        self.__dict__.update(state)
        self._of_thread = threading.local()


def _whole(name: str, value: Sequence[int], low: int, high: int) -> tuple[int, int]:
    first, last = check_range(name, value, low, high)
    if first != int(first) or last != int(last):
        raise ConfigError(f"{name}=[{first:g}, {last:g}] must be whole numbers.")
    return int(first), int(last)
