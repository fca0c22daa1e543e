"""Folders of images as one checked set: paired, decoded once, hashed, served in batches."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesr_bench.errors import DataError
from facesr_bench.evaluate.annotations import Annotations
from facesr_bench.evaluate.pairing import Folder, Pair, name_list, pair_folders
from facesr_bench.evaluate.reading import Inspected, inspect, progress, read_ahead
from facesr_bench.images import Size, UInt8Image, read_rgb
from facesr_bench.listing import list_images
from facesr_bench.metrics.base import Need, ScoreBatch
from facesr_bench.protocol import canonical_hash
from facesr_bench.scoring import stack

log = logging.getLogger(__name__)

_LOSSY = {".jpg", ".jpeg", ".webp"}


def find_pairs(sr: Path, hr: Path | None, lr: Path | None) -> list[Pair]:
    """List the folders and match their images by name; no image is opened.

    Hidden files, ``__MACOSX`` and files that are no images are passed over.

    Raises:
        DataError: a folder that is missing or empty, images without exactly one partner.
    """

    def folder(what: str, path: Path | None, option: str) -> Folder | None:
        if path is None:
            return None
        if not path.is_dir():
            what = "is a file, not a folder of images" if path.exists() else "does not exist"
            raise DataError(f"The folder {option} {path} {what} (seen from {Path.cwd()}).")
        listing = list_images(path, option)
        if listing.others:
            others = ", ".join(f"{count} {kind}" for kind, count in sorted(listing.others.items()))
            log.info("%s: files passed over: %s", path, others)
        return Folder(what, path, listing.files)

    first = folder("SR", sr, "SR_DIR")
    assert first is not None
    return pair_folders(first, folder("HR", hr, "--hr"), folder("LR", lr, "--lr"))


@dataclass(frozen=True)
class ImageSet:
    """Images that were all decoded once and belong together.

    Attributes:
        pairs: in key order.
        sizes: key to the sizes of SR and LR (None without LR).
        sr_hash, hr_hash, lr_hash: as in run records; None for what is not there.
        annotations: identities and landmarks, as far as they are known.
    """

    pairs: Sequence[Pair]
    sizes: Mapping[str, tuple[Size, Size | None]]
    sr_hash: str
    hr_hash: str | None
    lr_hash: str | None
    annotations: Annotations

    @property
    def identities(self) -> dict[str, str | None]:
        """Key to the person, in key order."""
        return {pair.key: self.annotations.of(pair.key).identity for pair in self.pairs}

    @property
    def protocol_hash(self) -> str:
        """sha256 of the question: keys, HR and LR pixels, but nothing about the SR images."""
        keys = [pair.key for pair in self.pairs]
        return canonical_hash(
            {"images": "from elsewhere", "keys": keys, "hr": self.hr_hash, "lr": self.lr_hash}
        )

    def size_counts(self) -> str:
        """How many images there are of each size, the most common first."""
        counts = Counter(_show(size) for size, _ in self.sizes.values()).most_common()
        more = f" and {len(counts) - 5} other sizes" if len(counts) > 5 else ""
        return ", ".join(f"{count} of {size}" for size, count in counts[:5]) + more

    def batches(self, batch_size: int, bar: Any) -> Iterator[ScoreBatch]:
        """What metrics see; a batch holds images of one size, the next ones are being read."""
        shares = self._shares(batch_size)
        order = (pair for share in shares for pair in share)
        images = read_ahead(_read, order, ahead=2 * batch_size)
        for share in shares:
            sr, hr, lr = zip(*(next(images) for _ in share), strict=True)
            keys = [pair.key for pair in share]
            facts = [self.annotations.of(key) for key in keys]
            yield ScoreBatch(
                keys=keys,
                sr=stack(sr),
                hr=stack(hr) if self.hr_hash is not None else None,
                lr=stack(lr) if self.lr_hash is not None else None,
                identities=[fact.identity for fact in facts],
                landmarks=[fact.landmarks for fact in facts],
            )
            bar.update(len(share))

    def _shares(self, batch_size: int) -> list[list[Pair]]:
        of_size: dict[tuple[Size, Size | None], list[Pair]] = {}
        for pair in self.pairs:
            of_size.setdefault(self.sizes[pair.key], []).append(pair)
        return [
            group[start : start + batch_size]
            for group in of_size.values()
            for start in range(0, len(group), batch_size)
        ]


def check_images(pairs: Sequence[Pair], factor: int | None, annotations: Annotations) -> ImageSet:
    """Decode every image once: nothing is scored when one of them cannot be.

    Raises:
        DataError: damaged files, or sizes that do not belong together; all that is wrong at once.
    """
    sides: dict[Need | str, list[tuple[str, Path]]] = {
        "SR": [(pair.key, pair.sr) for pair in pairs],
        "HR": [(pair.key, pair.hr) for pair in pairs if pair.hr is not None],
        "LR": [(pair.key, pair.lr) for pair in pairs if pair.lr is not None],
    }
    with progress("check", sum(len(files) for files in sides.values())) as bar:
        seen = {
            side: inspect(files, bar, each=side == "HR") for side, files in sides.items() if files
        }
    faults = [*_damaged(seen), *_misfits(pairs, seen, factor)]
    if faults:
        raise DataError("\n".join([*faults, "Nothing was scored."]))
    for side, found in seen.items():
        if found.transparent:
            log.warning(
                "%d %s images have transparency, which is dropped.", found.transparent, side
            )
    lossy = sum(pair.sr.suffix.lower() in _LOSSY for pair in pairs)
    if lossy:
        log.warning(
            "%d of the %d SR images are JPEG or WebP: what compression did to them is scored too.",
            lossy, len(pairs),
        )  # fmt: skip
    low = seen["LR"].sizes if "LR" in seen else {}
    return ImageSet(
        pairs,
        {key: (size, low.get(key)) for key, size in seen["SR"].sizes.items()},
        seen["SR"].digest,
        seen["HR"].digest if "HR" in seen else None,
        seen["LR"].digest if "LR" in seen else None,
        annotations,
    )


def _damaged(seen: Mapping[str, Inspected]) -> list[str]:
    problems = {path: reason for found in seen.values() for path, reason in found.problems.items()}
    if not problems:
        return []
    total = sum(len(found.sizes) + len(found.problems) for found in seen.values())
    named = name_list([f"{path} {problems[path]}" for path in sorted(problems)])
    return [f"{len(problems)} of the {total} images cannot be read: {named}."]


def _misfits(pairs: Sequence[Pair], seen: Mapping[str, Inspected], factor: int | None) -> list[str]:
    none: dict[str, Size] = {}
    sr, hr, lr = (seen[side].sizes if side in seen else none for side in ("SR", "HR", "LR"))
    unequal, wrong_factor, larger = [], [], []
    for key in (pair.key for pair in pairs if pair.key in sr):
        high, low = sr[key], lr.get(key)
        if key in hr and hr[key] != high:
            unequal.append(f"{key} (SR {_show(high)}, HR {_show(hr[key])})")
        if low is None:
            continue
        named = f"{key} (SR {_show(high)}, LR {_show(low)})"
        if factor is not None and (low[0] * factor, low[1] * factor) != high:
            wrong_factor.append(named)
        elif low[0] > high[0] or low[1] > high[1]:
            larger.append(named)
    return [
        f"{len(names)} of the {len(pairs)} pairs {what}: {name_list(names)}."
        for names, what in (
            (unequal, "have SR and HR images of different sizes"),
            (wrong_factor, f"have SR images that are not {factor} times as large as their LR"),
            (larger, "have LR images larger than their SR (are the folders swapped?)"),
        )
        if names
    ]


def _read(pair: Pair) -> tuple[UInt8Image, UInt8Image | None, UInt8Image | None]:
    hr = read_rgb(pair.hr) if pair.hr is not None else None
    return read_rgb(pair.sr), hr, read_rgb(pair.lr) if pair.lr is not None else None


def _show(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
