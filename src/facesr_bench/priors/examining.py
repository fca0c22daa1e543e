"""Is a prior worth standing on? Its faces are found, differ, are no copies, and look like the data.

Whoever uses a prior inherits its faces: one that knows few people makes every low-resolution face one
of them. The checks compare with real images of the same size, so that a number has a yardstick.

One draw of 500 codes is a noisy witness, and so are the 400 training faces beside it (the SWD of those
at 64 pixels moved between 9.0 and 11.1): each check is the mean of several draws.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.faces.alignment import aligned
from facesr_bench.faces.recognition import open_network, recogniser
from facesr_bench.faces.yunet import MEASURING, YuNet, face_above
from facesr_bench.images import UInt8Image, to_uint8
from facesr_bench.metrics.base import Expected, ScoreBatch
from facesr_bench.metrics.frozen import FrozenNetwork
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.swd import SWD
from facesr_bench.priors.loaded import LoadedPrior
from facesr_bench.seeding import numpy_rng, torch_rng
from facesr_bench.weights.requirements import require

Vectors = NDArray[np.float32]
Images = Sequence[UInt8Image]


@dataclass(frozen=True)
class Finding:
    """One check.

    Attributes:
        name: what was measured.
        value: of the prior's faces, mean over draws.
        yardstick: the same of real images, or the limit; ``None`` where the limit is all there is.
        error: standard error of ``value`` over the draws; NaN for a single one.
        passed: whether the prior does as well as asked.
        rule: the rule, in words.
    """

    name: str
    value: float
    yardstick: float | None
    error: float
    passed: bool
    rule: str


def sample_faces(prior: LoadedPrior, number: int, seed: int) -> Images:
    """Faces of random codes, the same noise in each, uint8 (H, W, 3)."""
    network, generator = prior.network, torch_rng(seed, "examine", prior.name)
    z = torch.randn(number, network.z_dim, generator=generator)
    noise = [torch.randn(1, 1, *shape, generator=generator) for shape in network.noise_shapes]
    faces: list[UInt8Image] = []
    with torch.no_grad():
        for part in z.split(20):
            ws = network.mapping(part)[:, None].expand(-1, network.num_codes, -1)
            faces += list(to_uint8(network.synthesis(ws, noise).float().add(1).div(2)))
    return faces


def examine(
    prior: LoadedPrior,
    data: FaceSRDataModule,
    number: int = 500,
    pairs: int = 2000,
    seed: int = 0,
    draws: int = 5,
) -> tuple[list[Finding], Images]:
    """All checks, and the faces of the first draw.

    Args:
        prior: makes faces of the data's HR size.
        data: its train split is what copies are looked for in, so it must be what the prior was
            trained on; its test split is what is real.
        number: of faces in a draw.
        pairs: of faces in a draw whose identities are compared.
        seed: of the first draw; the others count on from it.
        draws: of codes, and of training faces as SWD's yardstick.

    Raises:
        ConfigError: fewer than two faces, or no draw.
        DataError: data without landmarks or identities.
        MissingRequirement: the face detector's or the recognition network's weights are not here.
    """
    if number < 2 or draws < 1:
        raise ConfigError(
            f"--number {number} --draws {draws}: at least two faces are needed to see them differ, "
            "and one draw."
        )
    detector, eye = require(YuNet, _Eye)
    test, training = data.required("test"), data.required("train")
    real = [test[i] for i in range(min(number, len(test)))]
    train = [training[i] for i in range(len(training))]
    if any(sample.hr is None or sample.identity is None for sample in real):
        raise DataError(f"The test split of {data.name} lacks HR images or identities of faces.")
    if any(sample.hr is None or sample.landmarks is None for sample in train):
        raise DataError(f"The train split of {data.name} lacks HR images or landmarks of faces.")

    truth = [sample.hr for sample in real if sample.hr is not None]
    train_images = [sample.hr for sample in train if sample.hr is not None]
    held_out, visible = eye.look(truth, detector)
    names = [str(sample.identity) for sample, found in zip(real, visible, strict=True) if found]
    known = eye(train_images, [sample.landmarks for sample in train])
    threshold = float(np.quantile(_impostors(names, held_out, seed), 0.99))

    drawn: list[Measured] = []
    pictures = sample_faces(prior, number, seed)
    for number_of_draw in range(seed, seed + draws):
        faces = pictures if number_of_draw == seed else sample_faces(prior, number, number_of_draw)
        people, seen = eye.look(faces, detector)
        row: Measured = {FOUND: (float(np.mean(seen)), float(np.mean(visible)))}
        if len(people) > 1:
            row[ALIKE] = (_alike(people, threshold, pairs, number_of_draw), 0.01)
            row |= _novelty(people, held_out, known)
            rng = numpy_rng(number_of_draw, "examine-train", prior.name)
            order = rng.permutation(len(train_images))[: len(truth)]
            floors = _swd([train_images[i] for i in order], truth)
            row |= {name: (value, floors[name]) for name, value in _swd(faces, truth).items()}
        drawn.append(row)
    return judge(drawn), pictures


FOUND = "faces found"
ALIKE = "pairs that look like one person"
Measured = dict[str, tuple[float, float]]
"""Check to value and yardstick, of one draw."""


def judge(drawn: Sequence[Measured]) -> list[Finding]:
    """Each check by its mean over the draws; one that some draw lacks is left out.

    A draw lacks the checks that need two faces when hardly any is found, and fails the first check.
    """
    findings = []
    for name in drawn[0]:
        rows = [row[name] for row in drawn if name in row]
        if len(rows) < len(drawn):
            continue
        value, yardstick = (float(np.mean(column)) for column in zip(*rows, strict=True))
        spread = float(np.std([row[0] for row in rows], ddof=1)) if len(rows) > 1 else math.nan
        if name == FOUND:
            passed, rule = value >= 0.95, f"YuNet finds at least 95 % (score > {MEASURING})"
        elif name == ALIKE:
            passed = value <= 0.05
            rule = "at most 5 % above the threshold that 1 % of different real people pass"
        elif name.startswith("swd"):
            passed, rule = value <= 2 * yardstick, "at most twice that of as many training faces"
        else:
            passed = value >= yardstick
            rule = "not below that of held-out faces, by the recognition network"
        error = spread / math.sqrt(len(rows))
        findings.append(Finding(name, value, yardstick, error, passed, rule))
    return findings


def _alike(people: Vectors, threshold: float, pairs: int, seed: int) -> float:
    return float(np.mean(_pairs(people, pairs, seed) > threshold))


def _novelty(people: Vectors, held_out: Vectors, known: Vectors) -> Measured:
    """A copy would lie nearer to a training face than real strangers do."""
    ours, theirs = (1 - (vectors @ known.T).max(1) for vectors in (people, held_out))
    return {
        f"distance to the nearest training face, {what}": (
            float(np.quantile(ours, share)),
            float(np.quantile(theirs, share)),
        )
        for what, share in (("median", 0.5), ("nearest 5 %", 0.05))
    }


class _Eye:
    """The recognition network on faces whose landmarks are known."""

    def __init__(self) -> None:
        self._known = recogniser("mobilefacenet")
        self._network = FrozenNetwork(open_network(self._known)[0], self._known.prepare)

    def __call__(self, images: Images, landmarks: Sequence[NDArray[np.float32] | None]) -> Vectors:
        """Unit vectors of the faces that have landmarks."""
        rows = [np.zeros((0, self._known.length), np.float32)]
        for start in range(0, len(images), 64):
            batch = torch.from_numpy(np.stack(images[start : start + 64])).permute(0, 3, 1, 2)
            crops, positions = aligned(batch, landmarks[start : start + 64], self._known.size)
            if positions:
                rows.append(self._network(crops).numpy())
        return np.concatenate(rows)

    def look(self, images: Images, detector: YuNet) -> tuple[Vectors, list[bool]]:
        """Unit vectors of the faces the detector finds, and which images those are."""
        found = [face_above(detector.best(image), MEASURING) for image in images]
        vectors = self(images, [None if face is None else face.landmarks for face in found])
        return vectors, [face is not None for face in found]


def _impostors(people: Sequence[str], vectors: Vectors, seed: int) -> NDArray[np.float32]:
    names = np.array(people)
    first, second = np.triu_indices(len(names), 1)
    other = names[first] != names[second]
    if not other.any():
        raise DataError("The test split shows one person only, so nobody differs.")
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


def _swd(images: Images, reference: Images) -> dict[str, float]:
    """SWD per level of as many images of either side as both have."""
    count = min(len(images), len(reference))
    metric = SWD("examine")
    metric.expect(Expected(count))
    keys = [f"{index:06d}" for index in range(count)]
    sr, hr = (
        torch.from_numpy(np.stack(s[:count])).permute(0, 3, 1, 2) for s in (images, reference)
    )
    lr = torch.zeros(count, 3, 1, 1, dtype=torch.uint8)
    metric.update(ScoreBatch(keys, sr, hr, lr, [None] * count))
    values = metric.results(Intervals(replicates=0, groups=1))
    return {name.split("@")[0]: value.value for name, value in values.items()}
