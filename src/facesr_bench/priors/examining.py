"""Is a prior worth standing on? Its faces are found, differ, are no copies, and look like the data.

Whoever uses a prior inherits its faces: one that knows few people makes every low-resolution face one
of them. The checks compare with real images of the same size, so that a number has a yardstick.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from facesr_bench.data import Sample
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.faces.alignment import aligned
from facesr_bench.faces.recognition import open_network, recogniser
from facesr_bench.faces.yunet import YuNet
from facesr_bench.images import UInt8Image, to_uint8
from facesr_bench.metrics.base import Expected, ScoreBatch
from facesr_bench.metrics.frozen import FrozenNetwork
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.swd import SWD
from facesr_bench.priors.loaded import LoadedPrior
from facesr_bench.seeding import numpy_rng, torch_rng

Vectors = NDArray[np.float32]
Images = Sequence[UInt8Image]


@dataclass(frozen=True)
class Finding:
    """One check.

    Attributes:
        name: what was measured.
        value: of the prior's faces.
        yardstick: the same of real images, or the limit; ``None`` where the limit is all there is.
        passed: whether the prior does as well as asked.
        rule: the rule, in words.
    """

    name: str
    value: float
    yardstick: float | None
    passed: bool
    rule: str


def sample_faces(prior: LoadedPrior, number: int, seed: int) -> Images:
    """Faces of random codes with the stored noise, uint8 (H, W, 3)."""
    z = torch.randn(number, prior.network.z_dim, generator=torch_rng(seed, "examine", prior.name))
    faces: list[UInt8Image] = []
    with torch.no_grad():
        for part in z.split(20):
            images = prior.network(part) if prior.family == "stylegan2" else _stylegan1(prior, part)
            faces += list(to_uint8(images.float().add(1).div(2)))
    return faces


def _stylegan1(prior: LoadedPrior, z: torch.Tensor) -> torch.Tensor:
    ws = prior.network.mapping(z)[:, None].expand(-1, prior.network.num_codes, -1)
    images: torch.Tensor = prior.network.synthesis(ws, "random")
    return images


def examine(
    prior: LoadedPrior, data: FaceSRDataModule, number: int = 500, pairs: int = 2000, seed: int = 0
) -> tuple[list[Finding], Images]:
    """All checks, and the faces they were made on.

    Args:
        prior: makes faces of the data's HR size.
        data: its train split is what copies are looked for in, its test split what is real.
        number: of faces.
        pairs: of faces whose identities are compared.
        seed: of the faces and the pairs.

    Raises:
        MissingRequirement: the face detector's or the recognition network's weights are not here.
    """
    detector, eye = YuNet(), _Eye()
    faces = sample_faces(prior, number, seed)
    real = [data.required("test")[i] for i in range(min(number, len(data.required("test"))))]
    train = [data.required("train")[i] for i in range(len(data.required("train")))]

    found = [detector.best(face) for face in faces]
    seen = [face is not None and face.score > 0.6 for face in found]
    people = eye(faces, [None if f is None else f.landmarks for f in found])
    held_out, known = eye.of(real), eye.of(train)

    share = float(np.mean(seen))
    findings = [Finding("faces found", share, None, share >= 0.95, "YuNet finds at least 95 %")]
    threshold = float(np.quantile(_impostors(real, held_out, seed), 0.99))
    alike = float(np.mean(_pairs(people, pairs, seed) > threshold))
    findings.append(
        Finding(
            "pairs that look like one person", alike, 0.01, alike <= 0.05,
            "at most 5 % above the threshold that 1 % of different real people pass",
        )
    )  # fmt: skip
    nearest, yardstick = _nearest(people, known), _nearest(held_out, known)
    findings.append(
        Finding(
            "distance to the nearest training face", nearest, yardstick, nearest >= yardstick,
            "not below that of held-out faces, by the recognition network, median",
        )
    )  # fmt: skip
    truth = [sample.hr for sample in real if sample.hr is not None]
    chosen = numpy_rng(seed, "examine-train", prior.name).permutation(len(train))[: len(truth)]
    others = [train[i].hr for i in chosen]
    floors = _swd([image for image in others if image is not None], truth)
    for name, value in _swd(faces[: len(truth)], truth).items():
        floor = floors[name]
        findings.append(
            Finding(name, value, floor, value <= 2 * floor, "at most twice that of training faces")
        )
    return findings, faces


class _Eye:
    """The recognition network on faces whose landmarks are known."""

    def __init__(self) -> None:
        self._known = recogniser("mobilefacenet")
        self._network = FrozenNetwork(open_network(self._known)[0], self._known.prepare)

    def __call__(self, images: Images, landmarks: Sequence[NDArray[np.float32] | None]) -> Vectors:
        """Unit vectors of the faces that have landmarks."""
        rows = []
        for start in range(0, len(images), 64):
            batch = torch.from_numpy(np.stack(images[start : start + 64])).permute(0, 3, 1, 2)
            crops, _ = aligned(batch, landmarks[start : start + 64], self._known.size)
            rows.append(self._network(crops).numpy())
        return np.concatenate(rows)

    def of(self, samples: Sequence[Sample]) -> Vectors:
        """Of a data set's samples; those without landmarks of their own are left out."""
        told = [sample for sample in samples if sample.landmarks is not None]
        images = [sample.hr for sample in told if sample.hr is not None]
        return self(images, [sample.landmarks for sample in told])


def _impostors(samples: Sequence[Sample], vectors: Vectors, seed: int) -> NDArray[np.float32]:
    names = np.array([sample.identity for sample in samples if sample.landmarks is not None])
    first, second = np.triu_indices(len(names), 1)
    other = names[first] != names[second]
    rng = numpy_rng(seed, "examine-impostors", len(names))
    chosen = rng.permutation(np.flatnonzero(other))[:20_000]
    scores: NDArray[np.float32] = (vectors[first[chosen]] * vectors[second[chosen]]).sum(1)
    return scores


def _pairs(vectors: Vectors, number: int, seed: int) -> NDArray[np.float32]:
    rng = numpy_rng(seed, "examine-pairs", number)
    first = rng.integers(0, len(vectors), number)
    second = (first + rng.integers(1, len(vectors), number)) % len(vectors)
    scores: NDArray[np.float32] = (vectors[first] * vectors[second]).sum(1)
    return scores


def _nearest(vectors: Vectors, known: Vectors) -> float:
    """Median over faces of one minus the cosine to the most similar known face."""
    return float(np.median(1 - (vectors @ known.T).max(1)))


def _swd(images: Images, reference: Images) -> dict[str, float]:
    metric = SWD("examine")
    metric.expect(Expected(len(images)))
    keys = [f"{index:06d}" for index in range(len(images))]
    sr, hr = (torch.from_numpy(np.stack(s)).permute(0, 3, 1, 2) for s in (images, reference))
    lr = torch.zeros(len(images), 3, 1, 1, dtype=torch.uint8)
    metric.update(ScoreBatch(keys, sr, hr[: len(images)], lr, [None] * len(images)))
    values = metric.results(Intervals(replicates=0, groups=1))
    return {name.split("@")[0]: value.value for name, value in values.items()}
