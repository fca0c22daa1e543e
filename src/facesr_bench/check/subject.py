"""The method under check: built, fed and trained once, for all ticks to look at."""

import inspect
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import pytorch_lightning as pl
import torch
from torch import Tensor

from facesr_bench.check.composing import Composer
from facesr_bench.check.learning import Learnt, learn
from facesr_bench.check.tick import Fault, NotClaimed
from facesr_bench.config import build_data, build_method
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.errors import MissingRequirement
from facesr_bench.images import to_float
from facesr_bench.method import Method

IMAGES = 4
SEED = 2020


class Subject:
    """One method at smoke scale on a few faces.

    Args:
        composer: of the command line.
        folder: scratch space for checkpoints.
    """

    def __init__(self, composer: Composer, folder: Path) -> None:
        self.composer, self.folder = composer, folder
        self.settings: dict[str, Any] = composer.at("smoke")

    # -- the method -------------------------------------------------------------------------------

    @cached_property
    def kind(self) -> type[Method]:
        """The class."""
        from hydra.utils import get_class

        kind: type[Method] = get_class(self.settings["method"]["_target_"])
        return kind

    def fresh(self, seed: int = SEED, scale: str = "smoke") -> Method:
        """The method with weights as drawn from a seed, its sizes checked.

        Raises:
            NotClaimed: it needs weights that are not on this machine.
        """
        pl.seed_everything(seed, workers=True, verbose=False)
        settings = self.composer.at(scale)
        try:
            method: Method = build_method(settings["method"])
        except MissingRequirement as error:
            raise NotClaimed(f"scale={scale} needs what is not here: {error}") from error
        side, factor = int(settings["data"]["hr_size"]), int(settings["data"]["factor"])
        method.check_sizes((side // factor, side // factor), (side, side))
        return method.eval()

    @cached_property
    def ready(self) -> Method:
        """One in eval mode that ticks share; they leave it as it is."""
        return self.fresh()

    def must_train(self) -> None:
        """Raise NotClaimed where there is nothing to train."""
        if not self.ready.trainable:
            raise NotClaimed("it does not train")

    def must_restore(self) -> None:
        """Raise NotClaimed where it does not super-resolve."""
        if not self.kind.restores:
            raise NotClaimed("it does not super-resolve")

    # -- what it is fed ---------------------------------------------------------------------------

    @cached_property
    def data(self) -> FaceSRDataModule:
        """A few faces."""
        data: FaceSRDataModule = build_data(self.settings["data"])
        return data

    @cached_property
    def keys(self) -> list[str]:
        """Of the images in :attr:`lr`."""
        return list(self.data.test_set.keys[:IMAGES])

    @cached_property
    def lr(self) -> Tensor:
        """Four test faces, float32 (4, 3, h, w) in [0, 1]."""
        images = [torch.from_numpy(image) for image in self.data.test_set.lr[:IMAGES]]
        return to_float(torch.stack(images))

    @torch.no_grad()
    def restore(self, lr: Tensor, keys: list[str] | None = None) -> Tensor:
        """What the test stage would call, on the shared method."""
        self.must_restore()
        return self.ready.restore(lr, self.keys[: len(lr)] if keys is None else keys).detach()

    # -- training ---------------------------------------------------------------------------------

    @property
    def budget(self) -> Mapping[str, Any]:
        """The ``budget`` block of the YAML at smoke scale."""
        block: Mapping[str, Any] = self.settings["method"].get("budget") or {}
        return block

    @cached_property
    def learnt(self) -> Learnt:
        """The whole smoke budget in one go."""
        self.must_train()
        return learn(self.fresh(), self.data, self.budget, self.folder / "whole", SEED)

    # -- sentences --------------------------------------------------------------------------------

    @property
    def yaml(self) -> str:
        """The method's YAML, as one would look for it."""
        return f"conf/method/{self.composer.choice}.yaml"

    def fault(self, member: str | None, what: str) -> Fault:
        """A sentence that says what to open.

        Args:
            member: the function or class fact at fault; None for the class.
            what: what is wrong, to follow the name.
        """
        holder = next((k for k in self.kind.__mro__ if member in vars(k)), self.kind)
        holder = self.kind if holder is Method else holder
        thing = vars(holder).get(member or "", holder)
        try:
            line = inspect.getsourcelines(inspect.unwrap(thing))[1]
        except (OSError, TypeError):
            line = inspect.getsourcelines(holder)[1]
        file = Path(inspect.getfile(holder))
        name = f"{holder.__name__}.{member}" if member else holder.__name__
        return Fault(f"Open {file.parent.name}/{file.name}, line {line}: {name} {what}")
