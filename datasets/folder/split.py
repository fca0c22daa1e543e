"""One split of a folder: files that were looked at once, decoded when asked for."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from facesr_bench.data import FaceDataset, Sample, check_keys
from facesr_bench.degradations.resizing import pillow_resize
from facesr_bench.errors import DataError
from facesr_bench.facts import FactsTable
from facesr_bench.headers import Header, read_headers
from facesr_bench.images import Size, UInt8Image, read_rgb
from facesr_bench.resize import Kernel

from .landmark_range import warn_of_other_pixels
from .pairing import Item
from .sizes import misfit, most_common, show

log = logging.getLogger(__name__)

OnError = Literal["raise", "skip"]
_SHOWN = 20


@dataclass(frozen=True)
class Rules:
    """What a split's files must satisfy.

    Attributes:
        hr_size: height, width of HR; None: the size most of them have.
        lr_size: height, width of LR; None: likewise.
        operator: what resizes images of another size; None: they are refused.
        on_error: "raise" names every unusable file in one error, "skip" leaves them out.
    """

    hr_size: Size | None
    lr_size: Size | None
    operator: Kernel | None
    on_error: OnError


class FolderSplit(FaceDataset):
    """A map-style data set of files whose headers were checked.

    Args:
        name: what messages call it ("the test split of data.root=/faces").
        items: the files, in key order.
        problems: files already known to be unusable, with the reason.
        rules: sizes and what to do about unusable files.
        facts: who the images show, and landmarks in the pixels of the HR files.

    Raises:
        DataError: unusable files under ``on_error="raise"``, no file left, or keys that clash.
    """

    def __init__(
        self,
        name: str,
        items: Sequence[Item],
        problems: dict[Path, str],
        rules: Rules,
        facts: FactsTable | None = None,
    ) -> None:
        headers, damaged = read_headers(path for item in items for path in item.paths)
        problems = {**problems, **damaged}
        self.hr_size = rules.hr_size or most_common(_sizes(items, "hr", headers))
        self.lr_size = rules.lr_size or most_common(_sizes(items, "lr", headers))
        for item in items:
            for path, wanted, is_hr in (
                (item.hr, self.hr_size, True),
                (item.lr, self.lr_size, False),
            ):
                if path in headers and wanted is not None:
                    reason = misfit(headers[path].size, wanted, rules.operator, is_hr=is_hr)
                    if reason is not None:
                        problems[path] = reason
        total = len({*problems, *(path for item in items for path in item.paths)})
        if problems:
            _report(name, problems, total, rules.on_error)
        self._items = [item for item in items if not problems.keys() & set(item.paths)]
        if not self._items:
            raise DataError(f"No usable image is left in {name}: all {total} files have faults.")
        self.keys = [item.key for item in self._items]
        check_keys(self.keys)
        self._operator = rules.operator
        self._facts = FactsTable({}) if facts is None else facts
        self._sizes = {
            item.hr: headers[item.hr].size for item in self._items if item.hr is not None
        }
        self._say_facts(name)
        self._say_alpha(name, headers)

    def __getitem__(self, index: int) -> Sample:
        """Decode one sample.

        Raises:
            DataError: a file that its header promised to be whole is not, naming it.
        """
        item = self._items[index]
        hr, lr = self._read(item.hr, self.hr_size), self._read(item.lr, self.lr_size)
        facts = self._facts.get(item.key)
        landmarks = facts.landmarks
        if landmarks is not None and item.hr is not None and hr is not None:
            height, width = self._sizes[item.hr]
            # Pixel centres stay pixel centres when the image is resized.
            scale = np.array([hr.shape[1] / width, hr.shape[0] / height], dtype=np.float32)
            landmarks = (landmarks + 0.5) * scale - 0.5
        return Sample(
            item.key,
            hr=hr,
            lr=lr,
            identity=facts.identity,
            attributes=facts.attributes,
            landmarks=landmarks,
            domain=facts.domain,
        )

    def _read(self, path: Path | None, wanted: Size | None) -> UInt8Image | None:
        if path is None:
            return None
        image = read_rgb(path, orientation="exif")
        size = (image.shape[0], image.shape[1])
        if wanted is None or size == wanted:
            return image
        if self._operator is None:
            raise DataError(
                f"{path} is {show(size)} now, but was {show(wanted)} when the split was opened. "
                "Leave the images alone while a run reads them."
            )
        return pillow_resize(image, wanted, self._operator)

    def _say_facts(self, name: str) -> None:
        if not len(self._facts):
            return
        found = [self._facts.get(key) for key in self.keys]
        people = sum(facts.identity is not None for facts in found)
        landmarks = {
            item.key: facts.landmarks
            for item, facts in zip(self._items, found, strict=True)
            if facts.landmarks is not None
        }
        log.info(
            "Of %d images in %s, %d have a name and %d landmarks.",
            len(self.keys), name, people, len(landmarks),
        )  # fmt: skip
        stored = {item.key: self._sizes[item.hr] for item in self._items if item.hr is not None}
        of_hr = {key: points for key, points in landmarks.items() if key in stored}
        warn_of_other_pixels(name, of_hr, stored, self._facts.source)

    def _say_alpha(self, name: str, headers: dict[Path, Header]) -> None:
        paths = [path for item in self._items for path in item.paths if headers[path].alpha]
        if paths:
            log.warning(
                "%d of the images in %s have transparency, which is dropped (the first is %s).",
                len(paths),
                name,
                paths[0],
            )


def _sizes(items: Sequence[Item], side: str, headers: dict[Path, Header]) -> list[Size]:
    paths = (getattr(item, side) for item in items)
    return [headers[path].size for path in paths if path in headers]


def _report(name: str, problems: dict[Path, str], total: int, on_error: OnError) -> None:
    lines = [f"  {path} {problems[path]}" for path in sorted(problems)[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"  and {len(problems) - _SHOWN} more")
    found = "\n".join(lines)
    if on_error == "raise":
        raise DataError(
            f"{len(problems)} of the {total} files in {name} cannot be used:\n{found}\n"
            "Mend or remove them, or leave them out with data.on_error=skip. The sizes wanted are "
            "data.hr_size and data.lr_size (null: what most images have); data.resize=bicubic "
            "resizes what has another."
        )
    log.warning("%d of the %d files in %s are left out:\n%s", len(problems), total, name, found)
