"""CASIA-WebFace: find either form, draw people-disjoint splits, cut the centre square."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.images import UInt8Image, read_rgb
from facesr_bench.prepare.recipe import Plan, Raw, Recipe, SplitName
from facesr_bench.prepare.sources import SourceSet

from .images import Found, from_folders, from_records, records_of

OWNERS = {"folders": (494_414, 10_575), "records": (490_623, 10_572)}
"""Images and people; the records leave out three people who are also in LFW."""


class WebFace(Recipe):
    """Faces of people by name, from folders (250 x 250) or InsightFace's records (112 x 112).

    **This is not the WebFace of SCGAN's tables**, which is 1,028 small faces of a private crawl and
    comes only with the authors' own zip (recipe ``scgan_zip``). It stands in for it where that zip is
    not to be had, with HR known, and its numbers compare with no printed ones.

    Owners' counts are reported, not enforced: cleaned copies with fewer images are common.

    Args:
        form: "folders" or "records"; "auto" takes what is there.
        test: how many images are drawn for the test split; None takes all.
        train: how many more are drawn, of people whom the test split does not show; None takes all
            of theirs.
        crop: side of the centre square that is cut out first, in pixels; None: the largest.
        seed: of the draw, ``RandomState(seed).permutation`` of all keys in order: test first.
    """

    name = "webface"
    title = "CASIA-WebFace"
    licence = "On request from CASIA, for non-commercial research; not to be redistributed."
    where = (
        "CASIA's own form, or InsightFace's dataset zoo (faces_webface_112x112, Google Drive id "
        "1KxNCrXzln0lal3N4JiYl9cFOIhT78y1l; unpack it first)"
    )
    expected = (
        "CASIA-WebFace/0000045/001.jpg (folder or archive)",
        "or faces_webface_112x112/train.{rec,idx,lst}",
    )
    disk = "not stated by the owner"
    size = 64
    operator = "box"

    def __init__(
        self,
        form: Literal["auto", "folders", "records"] = "auto",
        test: int | None = 1028,
        train: int | None = 0,
        crop: int | None = None,
        seed: int = 2020,
    ) -> None:
        if form not in {"auto", *OWNERS}:
            raise ConfigError(f"form={form!r} must be auto, folders or records.")
        for name, value in (("test", test), ("train", train)):
            if value is not None and value < 0:
                raise ConfigError(f"{name}={value} must be a number of images, or null.")
        if test is None and train != 0:
            raise ConfigError("test=null takes all images, so train must be 0.")
        if crop is not None and crop < 1:
            raise ConfigError(f"crop={crop} must be a side in pixels, or null.")
        self.form, self.test, self.train = form, test, train
        self.crop, self.seed = crop, seed

    def plan(self, sources: SourceSet) -> Plan:
        """List the images of the form that is there, and draw."""
        notes: list[str] = []
        form, found = self._find(sources, notes)
        images, people = OWNERS[form]
        here = len({image.person for image in found})
        if (len(found), here) != (images, people):
            notes.append(
                f"{len(found):,} images of {here:,} people are here; the owner's {form} have "
                f"{images:,} of {people:,}, so the images drawn are not those of the whole set."
            )
        notes.append("CASIA-WebFace is not SCGAN's WebFace, a private crawl (recipe scgan_zip).")
        return Plan(sorted(self._draw(found, notes), key=lambda raw: raw.key), notes)

    def _find(self, sources: SourceSet, notes: list[str]) -> tuple[str, list[Found]]:
        records = bool(records_of(sources))
        folders = from_folders(sources) if self.form != "records" else []
        if self.form == "auto" and records and folders:
            raise DataError(
                f"There are both records ({records_of(sources)[0].where}) and folders of people "
                f"({folders[0].source}). Say which with --set form=records or form=folders."
            )
        if self.form != "folders" and records:
            return "records", from_records(sources, notes)
        if folders:
            return "folders", folders
        wanted = {"folders": "0000045/001.jpg", "records": "train.rec with train.idx"}
        looked = " or ".join(text for form, text in wanted.items() if self.form in {"auto", form})
        raise DataError(
            f"There is no {looked} in {', '.join(map(str, sources.paths))}, where {len(sources):,} "
            "files were found. Give the folder CASIA-WebFace or faces_webface_112x112 with --src."
        )

    def _draw(self, found: Sequence[Found], notes: list[str]) -> list[Raw]:
        if self.test is None:
            return [self._raw(image, "test") for image in found]
        if len(found) < self.test:
            raise DataError(
                f"{self.test:,} test images are to be drawn, but there are {len(found):,}. --set "
                "test=null takes all."
            )
        order = np.random.RandomState(self.seed).permutation(len(found))
        drawn = [self._raw(found[i], "test") for i in order[: self.test]]
        people = {raw.identity for raw in drawn}
        notes.append(
            f"test: {self.test:,} images of {len(people):,} people drawn with seed {self.seed}."
        )
        if self.train != 0:
            others = [found[i] for i in order[self.test :] if found[i].person not in people]
            if self.train is not None and len(others) < self.train:
                raise DataError(
                    f"{self.train:,} training images are to be drawn, but the {len(people):,} people "
                    f"of the test split leave {len(others):,}. --set train=null takes these."
                )
            chosen = others[: self.train]
            notes.append(f"train: {len(chosen):,} images of people who are not in the test split.")
            drawn += [self._raw(image, "train") for image in chosen]
        return drawn

    def _raw(self, image: Found, split: SplitName) -> Raw:
        return Raw(
            key=image.key,
            split=split,
            read=partial(_read, image, self.crop),
            source=image.source,
            identity=image.person,
        )


def _read(image: Found, crop: int | None) -> UInt8Image:
    content = image.content()
    try:
        pixels = read_rgb(content, orientation="stored")
    except DataError as error:
        raise DataError(f"{image.source}: {error}") from error
    height, width, _ = pixels.shape
    side = min(height, width) if crop is None else crop
    if side > min(height, width):
        raise DataError(f"{image.source} is {width}x{height} pixels, less than crop={crop}.")
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]
