"""``topiq_nr_face``: no-reference quality of the aligned face, by pyiqa (Chen et al. 2024).

Kept beside ``fiq`` as what restoration papers of today print. pyiqa is free for non-commercial use
only, heavy, and fetches up to four files when a metric is built, without a timeout: facing a server
that accepts and then stays silent, a run would hang for good. So all files are looked up and verified
before pyiqa is even imported, they are handed to it, and while it builds it cannot download.
"""

import math
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any, ClassVar, Literal, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facesr_bench.errors import ConfigError, MissingRequirement, WeightsError, first_line
from facesr_bench.metrics.base import PerImageMetric, ScoreBatch
from facesr_bench.metrics.frozen import FrozenNetwork
from facesr_bench.torchvision_ops import declare_missing_operators
from facesr_bench.weights.loading import WeightFile, load_state, locate

Model = Literal["topiq_nr-face", "topiq_nr-face-v1"]

NETWORKS: Mapping[str, tuple[str, str]] = {
    "topiq_nr-face": ("topiq_nr_face", "topiq_nr_cgfiqa_res50"),
    "topiq_nr-face-v1": ("topiq_nr_face_v1", "topiq_nr_gfiqa_res50"),
}
"""pyiqa's name: our key, which is also the weights' name, and what pyiqa calls the checkpoint.

The checkpoint is told to pyiqa, so that no other version of it can mean another one by the same name.
"""

HELPERS = ("retinaface_resnet50", "parsenet")
"""Opened by facexlib's face helper, which finds and aligns the face."""


class TopiqFace(PerImageMetric):
    """Quality of SR alone, about 0 to 1; higher is better. An image without a face is not scored.

    Args:
        model: pyiqa's name. Releases of pyiqa differ in what they mean by it: the checkpoint among
            the settings says which network it was.

    Raises:
        ConfigError: no such model.
        MissingRequirement: weights or a package are missing; all that is, in one sentence.
        WeightsError: weights that are not the registered ones or do not fit.
    """

    higher_is_better = True
    value_range: ClassVar[tuple[float, float]] = (-math.inf, math.inf)

    def __init__(self, model: Model = "topiq_nr-face") -> None:
        super().__init__()
        if model not in NETWORKS:
            raise ConfigError(f"There is no {model!r} here; choose {', '.join(NETWORKS)}.")
        self.model = model
        self.files = preflight(model)
        one_by_one = 1  # pixels per chunk: the face helper takes single images
        self.quality = FrozenNetwork(OneFace(build(model, self.files)), _unit, one_by_one)

    @property
    def keys(self) -> tuple[str, ...]:
        """``topiq_nr_face`` or ``topiq_nr_face_v1``."""
        return (NETWORKS[self.model][0],)

    def score(self, batch: ScoreBatch) -> dict[str, NDArray[np.float64]]:
        """Quality of each SR image; nan where no face is found."""
        return {self.keys[0]: self.quality(batch.sr).reshape(-1).double().numpy()}

    def settings(self) -> dict[str, Any]:
        """Implementation, the three files, alignment."""
        quality, *helpers = self.files.values()
        return {
            "network": self.model,
            "implementation": f"pyiqa {version('pyiqa')}, facexlib {version('facexlib')}",
            **quality.settings,
            "helpers": {file.entry.name: file.sha256[:16] for file in helpers},
            "colour": "rgb, [0, 1]",
            "face": "the central one RetinaFace finds in SR, aligned to 512x512",
            "no_face": "not scored",
            "reduction": "mean of images",
        }


class OneFace(nn.Module):
    """Scores one image, with nan instead of pyiqa's assertion where it shows no face.

    Args:
        metric: takes (1, 3, H, W) in [0, 1], returns one number.
    """

    def __init__(self, metric: nn.Module) -> None:
        super().__init__()
        self.metric = metric

    def forward(self, image: Tensor) -> Tensor:
        """(1, 3, H, W) in [0, 1] to (1,)."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", UserWarning
                )  # "the faces will be aligned", each time
                return self.metric(image).reshape(1)  # type: ignore[no-any-return]
        except AssertionError as error:
            if "No face detected" not in str(error):
                raise
            return torch.full((1,), math.nan)


def preflight(model: Model) -> dict[str, WeightFile]:
    """All files of a model by registered name, verified; pyiqa is not imported yet.

    Raises:
        MissingRequirement: those that are missing, together, and torchvision's operators.
        WeightsError: another file than registered.
    """
    files: dict[str, WeightFile] = {}
    missing = []
    for name in (NETWORKS[model][0], *HELPERS):
        try:
            files[name] = locate(name)
        except MissingRequirement as error:
            missing.append(str(error))
    if declare_missing_operators():  # RetinaFace calls nms, which is declared but not there then
        missing.append(
            "torchvision's compiled operators do not load beside this PyTorch: install the two from "
            "one index (pip install torch torchvision --index-url "
            "https://download.pytorch.org/whl/cpu)"
        )
    if missing:
        raise MissingRequirement("; ".join(missing))
    return files


def build(model: Model, files: Mapping[str, WeightFile]) -> nn.Module:
    """Pyiqa's metric with verified weights, on the CPU.

    Raises:
        MissingRequirement: pyiqa or facexlib are missing, or ask for a file that is not registered.
        WeightsError: weights that hold more than tensors, or do not fit.
    """
    key, checkpoint = NETWORKS[model]
    state = load_state(files[key])
    for name in HELPERS:
        load_state(files[name])  # facexlib opens them itself; older PyTorch would unpickle freely
    with _closed(files), torch.random.fork_rng(devices=[]):
        metric: nn.Module = import_module("pyiqa").create_metric(
            model,
            device=torch.device("cpu"),
            model_name=checkpoint,
            pretrained=False,
            backbone_pretrain=False,  # the checkpoint holds the whole network, also the backbone
        )
    network = metric.net
    try:
        network.load_state_dict(  # type: ignore[union-attr,operator]
            {name.removeprefix("module."): tensor for name, tensor in state.items()}, strict=True
        )
    except RuntimeError as error:
        raise WeightsError(
            f"{files[key].path} does not fit pyiqa's {model} ({first_line(error)})."
        ) from error
    return metric


@contextmanager
def _closed(files: Mapping[str, WeightFile]) -> Iterator[None]:
    """While this lasts, pyiqa and facexlib look into our weights folder and cannot download.

    Setting ``TORCH_HOME`` would only help if nobody had imported pyiqa before: it fixes its folder at
    import. Here the folder is set where it is read.
    """
    offline = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        from facesr_bench import torchvision_ops  # noqa: F401  (before torchvision)

        try:
            architecture = import_module("pyiqa.archs.topiq_arch")
            loaders = [
                import_module(name)
                for name in ("facexlib.utils.misc", "pyiqa.utils.download_util", "torch.hub")
            ]
        except ImportError as error:
            raise MissingRequirement(
                f"the package pyiqa (non-commercial use only) or a part of it is missing ({error}): "
                "pip install pyiqa"
            ) from error
        before = [(architecture, "DEFAULT_CACHE_DIR", architecture.DEFAULT_CACHE_DIR)]
        before += [(m, "download_url_to_file", m.download_url_to_file) for m in loaders]
        architecture.DEFAULT_CACHE_DIR = str(files[HELPERS[0]].path.parent)  # type: ignore[attr-defined]
        for loader in loaders:
            loader.download_url_to_file = _refuse  # type: ignore[attr-defined]
        try:
            yield
        finally:
            for module, name, value in before:
                setattr(module, name, value)
    finally:
        if offline is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = offline


def _refuse(url: str, *_args: Any, **_kwargs: Any) -> NoReturn:
    raise MissingRequirement(
        f"the installed pyiqa asks for a file that is not registered, {url}; nothing is downloaded "
        "here. Install the version in constraints.txt, or leave topiq_nr_face out."
    )


def _unit(images: Tensor) -> Tensor:
    return images / 255.0
