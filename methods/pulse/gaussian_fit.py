"""``gaussian_fit``: mean and deviation of a prior's codes before their activation, once per prior."""

import hashlib
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Final, cast

from filelock import FileLock
from torch import Tensor, nn

from facesr_bench.cache import cache_dir
from facesr_bench.checkpoints import read_checkpoint
from facesr_bench.errors import MissingRequirement, WeightsError
from facesr_bench.images import write_atomically
from facesr_bench.nets.prior import Prior
from facesr_bench.priors import LoadedPrior
from facesr_bench.priors.statistics import code_statistics
from facesr_bench.weights.loading import WeightFile, load_state, locate

from .latent_map import Unactivate, post_gain

log = logging.getLogger(__name__)

OFFICIAL: Final = {"stylegan1_ffhq": "pulse_gaussian_fit"}
"""Priors whose fit is published, and the name of that file in the registry of weights."""

_SEED: Final = 0  # official: torch.manual_seed(0)
_CHECK: Final = 2_000  # samples that tell whether a published fit belongs to this mapping

Fit = tuple[Tensor, Tensor]


def gaussian_fit(prior: LoadedPrior, samples: int) -> tuple[Fit, WeightFile | None]:
    """Mean and unbiased standard deviation (w_dim,) of LeakyReLU_5(mapping(z) / gain), z normal.

    Taken from the published file where this prior has one and it is here; otherwise computed, and
    kept in the user's cache under a hash of the mapping's weights.

    Args:
        prior: its mapping is asked.
        samples: normal vectors; official: a million.

    Returns:
        Both, and the published file if it was read.

    Raises:
        WeightsError: a published file that does not belong to the mapping.
    """
    published = _published(prior)
    if published is not None:
        state = load_state(published)
        return (_checked(state["mean"], state["std"], prior), published)
    path = cache_dir() / "pulse" / f"gaussian_fit-{_name(prior, samples)}.safetensors"
    fit = _cached(path)
    if fit is None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):  # two runs at once: one computes, one waits
                fit = _cached(path)
                if fit is None:
                    fit = compute_fit(prior, samples)
                    _write(path, fit)
        except OSError as error:
            log.warning("The Gaussian fit cannot be kept in %s (%s).", path.parent, error)
            fit = compute_fit(prior, samples) if fit is None else fit
    return fit, None


def compute_fit(prior: LoadedPrior, samples: int) -> Fit:
    """The fit itself, without any file."""
    network = prior.network
    before = nn.Sequential(network.mapping, Unactivate(post_gain(prior)))
    asked = SimpleNamespace(mapping=before, z_dim=network.z_dim, w_dim=network.w_dim)
    return code_statistics(cast(Prior, asked), samples, _SEED)


def _published(prior: LoadedPrior) -> WeightFile | None:
    try:
        return locate(OFFICIAL[prior.name]) if prior.name in OFFICIAL else None
    except MissingRequirement:
        return None


def _checked(mean: Tensor, std: Tensor, prior: LoadedPrior) -> Fit:
    """The published numbers, unless a few samples of this mapping are far from them."""
    found, _ = compute_fit(prior, _CHECK)
    off = ((found - mean) / std).abs().max().item() * _CHECK**0.5  # in standard errors
    if not off < 10:
        raise WeightsError(
            f"The published Gaussian fit does not belong to the mapping of {prior.name}: a mean lies "
            f"{off:.0f} standard errors away. Remove that file, and the fit is computed."
        )
    return mean, std


def _name(prior: LoadedPrior, samples: int) -> str:
    digest = hashlib.sha256(f"{prior.family} {samples} {_SEED}".encode())
    for name, value in sorted(prior.network.mapping.state_dict().items()):
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:24]


def _cached(path: Path) -> Fit | None:
    try:
        state = read_checkpoint(path)["state_dict"]
        return state["mean"], state["std"]
    except (WeightsError, OSError, KeyError):  # not there, or damaged: it is computed anew
        return None


def _write(path: Path, fit: Fit) -> None:
    from safetensors.torch import save

    mean, std = fit
    write_atomically(path, save({"mean": mean.contiguous(), "std": std.contiguous()}))
