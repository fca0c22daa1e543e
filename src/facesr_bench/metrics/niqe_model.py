"""NIQE's model of pristine images, and how far an image's block statistics lie from it."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import MissingRequirement
from facesr_bench.weights.loading import WeightFile, load_arrays, locate

Floats = NDArray[np.float64]

# The same numbers in two files: weights, name of the mean, name of the covariance.
_FILES = (
    ("niqe", "mu_prisparam", "cov_prisparam"),
    ("niqe_basicsr", "mu_pris_param", "cov_pris_param"),
)


@dataclass(frozen=True)
class PristineModel:
    """A Gaussian over block statistics.

    Attributes:
        mean: (36,).
        covariance: (36, 36), symmetric.
    """

    mean: Floats
    covariance: Floats

    @property
    def digest(self) -> str:
        """sha256 of the numbers.

        The two files differ in their bytes but hold the same numbers, and values made with either
        belong in one column.
        """
        numbers = np.concatenate([self.mean, self.covariance.ravel()]).astype("<f8")
        return hashlib.sha256(numbers.tobytes()).hexdigest()

    def distance(self, features: Floats, fewest: int = 2) -> float:
        """NIQE of an image (eq. 10 of the paper): lower is closer to pristine.

        Args:
            features: (blocks, 36) of :func:`facesr_bench.metrics.niqe_features.block_features`. As in
                the release, a nan is left out of its column's mean, and its row of the covariance.
            fewest: blocks without nan that must be there. A covariance needs two; with one, other
                implementations go on with zeros.

        Returns:
            The score; nan with fewer blocks.
        """
        whole = features[np.isfinite(features).all(axis=1)]
        if len(whole) < max(1, fewest):
            return float("nan")
        gap = self.mean - np.nanmean(features, axis=0)
        centred = whole - whole.mean(axis=0)
        covariance = centred.T @ centred / max(1, len(whole) - 1)
        # The pseudoinverse of a symmetric matrix, with MATLAB's cut-off.
        values, vectors = np.linalg.eigh((self.covariance + covariance) / 2)
        kept = np.abs(values) > len(values) * np.finfo(np.float64).eps * np.abs(values).max()
        along = (gap @ vectors)[kept]
        return float(np.sqrt(np.sum(along**2 / values[kept])))


def pristine_model() -> PristineModel:
    """The model of the 2013 release, from its own file or else from BasicSR's.

    Raises:
        MissingRequirement: neither file is there.
        WeightsError: a file is there but is not the registered one.
    """
    file, mean, covariance = _locate()
    arrays = load_arrays(file)
    return PristineModel(arrays[mean].ravel(), arrays[covariance])


def _locate() -> tuple[WeightFile, str, str]:
    release, basicsr = _FILES
    try:
        return locate(release[0]), release[1], release[2]
    except MissingRequirement as missing:
        try:
            return locate(basicsr[0]), basicsr[1], basicsr[2]
        except MissingRequirement:
            raise missing from None  # the release's own file is the one to ask for
