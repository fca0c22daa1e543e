"""The frozen test inputs of a protocol: which keys, which LR pixels, and the hashes that name them.

Rows of one table must share their inputs. The hash covers name, version, keys, degradation and the
pixels themselves, so two runs whose hashes agree were asked the very same question.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from facesr_bench.data import FaceDataset, Sample, check_keys
from facesr_bench.degradations.base import Degradation
from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image, hash_images
from facesr_bench.stream import fixed_lr


def canonical_hash(value: Any) -> str:
    """sha256 of the canonical JSON (sorted keys, no blanks) of plain containers."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class TestSet:
    """A test split with its LR made once.

    Attributes:
        keys: sorted; position i of everything below belongs to ``keys[i]``.
        lr: uint8 (h, w, 3) each.
        has_hr: whether ground truth exists.
        made_lr: whether all LR was made from HR by the degradation, none given by the owner.
        identities: per key, or None where unknown.
        domains, attributes: per key what the data set knows, for breakdowns by subgroup.
        lr_hash, hr_hash: over all images; ``hr_hash`` is None without ground truth.
        name, version, hash: the protocol's identity.
    """

    __test__ = False  # pytest: this is no test class

    keys: Sequence[str]
    lr: Sequence[UInt8Image]
    has_hr: bool
    made_lr: bool
    identities: Sequence[str | None]
    lr_hash: str
    hr_hash: str | None
    name: str
    version: int
    hash: str
    domains: Sequence[str | None]
    attributes: Sequence[Mapping[str, float]]
    _dataset: FaceDataset
    _index: Sequence[int]

    def __len__(self) -> int:
        return len(self.keys)

    def sample(self, position: int) -> Sample:
        """The sample as the data set gives it."""
        return self._dataset[self._index[position]]

    def hr(self, position: int) -> UInt8Image:
        """Ground truth of one position.

        Raises:
            DataError: this test set has none.
        """
        image = self.sample(position).hr
        if image is None:
            raise DataError(f"The test sample {self.keys[position]!r} has no HR image.")
        return image


@dataclass(frozen=True)
class _Frozen:
    """What is kept of one sample."""

    lr: UInt8Image
    hr_digest: str | None
    given_lr: bool
    identity: str | None
    domain: str | None
    attributes: Mapping[str, float]
    misfits: list[str]


def freeze_test_set(
    dataset: FaceDataset,
    degradation: Degradation,
    name: str,
    version: int,
    protocol_seed: int,
    hr_size: int,
    factor: int,
) -> TestSet:
    """Read a test split once, make its LR, check every size, and hash everything.

    Raises:
        DataError: naming the samples of the wrong size, or a split that has HR for some keys only.
    """
    check_keys(dataset.keys)
    index = sorted(range(len(dataset)), key=lambda i: dataset.keys[i])
    keys = [dataset.keys[i] for i in index]
    if not keys:
        raise DataError(f"The test split of {name} holds no image.")
    side = hr_size // factor
    wrong: list[str] = []
    hr_digest, lr_images, identities, with_hr, given_lr = [], [], [], 0, 0
    domains: list[str | None] = []
    attributes: list[Mapping[str, float]] = []

    def read(i: int) -> _Frozen:
        """Only what is kept leaves the thread: HR images waiting for their turn would fill memory."""
        sample = dataset[i]
        lr = fixed_lr(sample, degradation, protocol_seed, "lr")
        misfits = [
            f"{sample.key} ({what} {image.shape[0]}x{image.shape[1]}, not {expected}x{expected})"
            for what, image, expected in (("HR", sample.hr, hr_size), ("LR", lr, side))
            if image is not None and image.shape != (expected, expected, 3)
        ]
        digest = None if sample.hr is None else hash_images([(sample.key, sample.hr)])
        known = (sample.identity, sample.domain, sample.attributes)
        return _Frozen(lr, digest, sample.lr is not None, *known, misfits)

    with ThreadPoolExecutor() as pool:
        for frozen in pool.map(read, index):
            wrong += frozen.misfits
            if frozen.hr_digest is not None:
                with_hr += 1
                hr_digest.append(frozen.hr_digest)
            given_lr += frozen.given_lr
            lr_images.append(frozen.lr)
            identities.append(frozen.identity)
            domains.append(frozen.domain)
            attributes.append(frozen.attributes)
    if wrong:
        more = f" and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        raise DataError(f"Images of {name} have the wrong size: {', '.join(wrong[:10])}{more}.")
    if with_hr not in (0, len(keys)):
        raise DataError(
            f"Only {with_hr} of the {len(keys)} test images of {name} have an HR image; a protocol "
            "needs ground truth for all of them or for none."
        )
    lr_hash = hash_images(zip(keys, lr_images, strict=True))
    # A hash of per-image hashes: HR can be large, so it is not held in memory twice.
    hr_hash = canonical_hash(hr_digest) if with_hr else None
    inputs = {
        "name": name,
        "version": version,
        "keys": keys,
        "degradation": degradation.settings(),
        "hr": hr_hash,
        "lr": lr_hash,
    }
    return TestSet(
        keys, lr_images, bool(with_hr), not given_lr, identities, lr_hash, hr_hash,
        name, version, canonical_hash(inputs), domains, attributes, dataset, index,
    )  # fmt: skip
