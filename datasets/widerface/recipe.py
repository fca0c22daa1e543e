"""WIDER FACE as real low-resolution faces: find the photos, filter the boxes, draw, cut, reduce."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import PurePosixPath
from typing import ClassVar, Literal

import numpy as np

from facesr_bench.degradations.resizing import pillow_resize
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.images import UInt8Image
from facesr_bench.prepare.decoding import read_image
from facesr_bench.prepare.recipe import Plan, Raw, Recipe
from facesr_bench.prepare.sources import Entry, SourceSet
from facesr_bench.resize import KERNELS, Kernel

from .annotations import Annotations, compare
from .matlab_form import read_matlab_form
from .photos import find_photos, header_size
from .selection import REASONS, Filter, Outside, Square
from .text_form import read_text_form

log = logging.getLogger(__name__)

PHOTOS = {"train": 12_880, "val": 3_226}
"""What the owner distributes; a text file cut at the end of a record shows only here."""

Part = Literal["train", "val"]
Candidate = tuple[str, Entry, Square]


class WiderFace(Recipe):
    """Small faces of WIDER FACE, cut square and reduced to one LR size; there is no ground truth.

    SCGAN took "62 scenes, 32,203 faces" (the 61 events and all photos) through a detector and a crop
    it does not name, so the choice of faces is ours. The faces of WIDER's train part become the
    split "train", those of its val part "test"; its test part has no boxes.

    All images have the role "lr" and leave :meth:`Raw.read` at ``lr_size``, reduced by Pillow: the
    harness stores them as they are. Keys are ``train/EVENT/PHOTO_NUMBER.png`` where the number is
    the face's row in the annotations, from 0.

    Args:
        train: how many faces of WIDER train; 0 needs none of its files, None takes all that pass.
        test: the same of WIDER val.
        lr_size: side of the prepared faces in pixels.
        smallest: shorter side of the box must be at least this many pixels.
        largest: and at most this many.
        occlusion: strongest occlusion label taken (0 none, 1 partial, 2 heavy).
        margin: side of the square over the longer side of the box.
        outside: "drop" leaves out faces whose square leaves the photo, "shift" moves the square in.
        operator: Pillow kernel of the reduction, antialiased.
        seed: of the draw, ``RandomState(seed).permutation`` of the passing keys in order.
        allow_incomplete: go on without photos that are missing or damaged. Then the draw differs
            from everybody else's.
    """

    name = "widerface"
    title = "WIDER FACE, small faces"
    licence = "No licence text; photos from the web, distributed for research. Do not redistribute."
    where = (
        "http://shuoyang1213.me/WIDERFACE/: WIDER_train.zip, WIDER_val.zip, wider_face_split.zip"
    )
    expected = ("WIDER_train.zip", "WIDER_val.zip", "wider_face_split.zip")
    published: ClassVar[Mapping[str, tuple[int | None, str]]] = {
        "WIDER_train.zip": (None, "3fedf70df600953d25982bcd13d91ba2"),
        "WIDER_val.zip": (None, "dfa7d7e790efa35df3788964cf0bbaea"),
        "wider_face_split.zip": (None, "0e3767bcf0e326556d407bf5bff5d27c"),
    }
    disk = "1.8 GB"
    size = 16

    def __init__(
        self,
        train: int | None = 4000,
        test: int | None = 2000,
        lr_size: int = 16,
        smallest: int = 12,
        largest: int = 48,
        occlusion: int = 1,
        margin: float = 1.3,
        outside: Outside = "drop",
        operator: Kernel = "bicubic",
        seed: int = 2020,
        allow_incomplete: bool = False,
    ) -> None:
        if lr_size < 1:
            raise ConfigError(f"lr_size={lr_size} must be a side in pixels.")
        if operator not in KERNELS:
            raise ConfigError(f"operator={operator!r} must be one of {', '.join(KERNELS)}.")
        self.counts: dict[Part, int | None] = {"train": train, "val": test}
        self.filter = Filter(smallest, largest, occlusion, margin, outside)
        self.lr_size: int = lr_size
        self.kernel, self.seed = operator, seed
        self.allow_incomplete = allow_incomplete

    def plan(self, sources: SourceSet) -> Plan:
        """Read the annotations and the headers of the photos, filter, draw.

        Headers are read (never pixels), because whether a square lies inside depends on the photo's
        size, which no annotation gives.
        """
        items: list[Raw] = []
        notes: list[str] = []
        for part, count in self.counts.items():
            if count == 0:
                continue
            faces = self._annotations(sources, part, notes)
            photos = self._photos(sources, part, faces, notes)
            pool = self._filter(part, faces, photos, notes)
            items += map(self._raw, self._draw(part, pool, count, notes))
        return Plan(sorted(items, key=lambda raw: raw.key), notes)

    # -- files ------------------------------------------------------------------------------------

    def _annotations(self, sources: SourceSet, part: Part, notes: list[str]) -> Annotations:
        text = sources.find(f"wider_face_{part}_bbx_gt.txt")
        matlab = sources.find(f"wider_face_{part}.mat")
        for found, pattern in (
            (text, f"wider_face_{part}_bbx_gt.txt"),
            (matlab, f"wider_face_{part}.mat"),
        ):
            if len(found) > 1 or not (text or matlab):
                sources.one(pattern, f"WIDER FACE's boxes; wider_face_{part}.mat serves as well")
        if not text:
            annotations = read_matlab_form(matlab[0])
        else:
            annotations = read_text_form(text[0])
            if matlab:
                differ = compare(annotations, read_matlab_form(matlab[0]))
                notes.append(
                    f"{part}: {text[0].base} and {matlab[0].base} "
                    + (
                        f"differ in {_few(differ, 'photo')}; the text file counts."
                        if differ
                        else "agree."
                    )
                )
        if len(annotations) != PHOTOS[part]:
            self._incomplete(
                f"The boxes of WIDER {part} describe {len(annotations):,} photos, not the owner's "
                f"{PHOTOS[part]:,}.",
                notes,
            )
        return annotations

    def _photos(
        self, sources: SourceSet, part: Part, faces: Annotations, notes: list[str]
    ) -> dict[str, Entry]:
        found = find_photos(sources, part)
        missing = sorted(faces.keys() - found.keys())
        if missing:
            self._incomplete(
                f"WIDER {part} lacks {_few(missing, 'photo')} of {len(faces):,} in "
                f"{', '.join(map(str, sources.paths))}: looked for "
                f"WIDER_{part}/images/{missing[0]}. Add WIDER_{part}.zip with --src"
                f" (--set {'train' if part == 'train' else 'test'}=0 does without this part).",
                notes,
            )
        return found

    # -- choice -----------------------------------------------------------------------------------

    def _filter(
        self, part: Part, faces: Annotations, photos: dict[str, Entry], notes: list[str]
    ) -> list[Candidate]:
        wanted = sorted(faces.keys() & photos.keys())
        log.info("Reading the headers of %d photos of WIDER %s.", len(wanted), part)
        with ThreadPoolExecutor() as pool:
            sizes = list(pool.map(lambda photo: header_size(photos[photo]), wanted))
        damaged = [size for size in sizes if isinstance(size, DataError)]
        if damaged:
            self._incomplete(
                f"{len(damaged):,} of {len(wanted):,} photos of WIDER {part} cannot be read; the "
                f"first: {damaged[0]}",
                notes,
            )
        candidates: list[Candidate] = []
        left_out = dict.fromkeys(REASONS, 0)
        for photo, size in zip(wanted, sizes, strict=True):
            if isinstance(size, DataError):
                continue
            taken, dropped = self.filter.apply(faces[photo], size)
            candidates += [(_key(part, photo, face), photos[photo], face) for face in taken]
            for reason, number in dropped.items():
                left_out[reason] += number
        reasons = [f"{number:,} {reason}" for reason, number in left_out.items() if number]
        notes.append(
            f"{part}: {len(candidates):,} of {len(candidates) + sum(left_out.values()):,} faces pass"
            + (f"; left out: {', '.join(reasons)}." if reasons else ".")
        )
        return sorted(candidates, key=lambda candidate: candidate[0])

    def _draw(
        self, part: Part, pool: Sequence[Candidate], count: int | None, notes: list[str]
    ) -> list[Candidate]:
        if count is None:
            return list(pool)
        if len(pool) < count:
            argument = "train" if part == "train" else "test"
            raise DataError(
                f"Only {len(pool):,} faces of WIDER {part} pass the filter, but {count:,} are to be "
                f"drawn. Loosen it (--set smallest=, largest=, occlusion=) or --set {argument}=null."
            )
        order = np.random.RandomState(self.seed).permutation(len(pool))[:count]
        notes.append(f"{part}: {count:,} of {len(pool):,} faces drawn with seed {self.seed}.")
        return [pool[i] for i in order]

    def _incomplete(self, sentence: str, notes: list[str]) -> None:
        if not self.allow_incomplete:
            raise DataError(
                f"{sentence} Or take what is there, with faces drawn that nobody else has: "
                "--set allow_incomplete=true."
            )
        notes.append(f"{sentence} The faces drawn are therefore not those of the whole set.")

    # -- pixels -----------------------------------------------------------------------------------

    def _raw(self, candidate: Candidate) -> Raw:
        key, entry, face = candidate
        return Raw(
            key=key,
            split="train" if key.startswith("train/") else "test",
            read=partial(self._read, entry, face),
            source=entry.where,
            attributes={name: float(label) for name, label in face.labels.items()}
            | {"size": float(min(face.box[2:]))},
            role="lr",
        )

    def _read(self, entry: Entry, face: Square) -> UInt8Image:
        photo = read_image(entry)
        crop = photo[face.top : face.top + face.side, face.left : face.left + face.side]
        return pillow_resize(crop, (self.lr_size, self.lr_size), self.kernel)


def _key(part: Part, photo: str, face: Square) -> str:
    folder = "train" if part == "train" else "test"
    return f"{folder}/{PurePosixPath(photo).with_suffix('')}_{face.number:04d}.png"


def _few(names: Sequence[str], what: str) -> str:
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"{len(names):,} {what}{'s' * (len(names) != 1)} ({', '.join(names[:3])}{more})"
