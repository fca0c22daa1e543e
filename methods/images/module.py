"""Images made elsewhere as a method: nothing is computed, they are read by key."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.evaluate.pairing import match_names, name_list
from facesr_bench.headers import read_headers
from facesr_bench.images import read_rgb, to_float
from facesr_bench.listing import check_folder, list_images
from facesr_bench.method import Method

log = logging.getLogger(__name__)


class StoredImages(Method):
    """SR images in a folder, named by the test set's keys.

    An image belongs to a key when its relative path is the key up to the extension, or the name our
    own ``sr/`` gives it (``0001.jpg.png`` for the key ``0001.jpg``). Values are taken as they are:
    8-bit, neither resized nor aligned.

    Args:
        dir: the folder, sub-folders included.
        paper: what made them, for tables.
        trained_on: what the other system was trained on, as far as you know: mappings with ``data``
            (and ``images``), for the record.

    Raises:
        ConfigError: no folder was named.
        DataError: the folder is not there or holds no image.
    """

    paper = "Images from elsewhere"
    trainable = False
    origin: ClassVar[str] = "images from elsewhere"
    computes: ClassVar[bool] = False
    exportable: ClassVar[bool] = False
    no_export: ClassVar[str] = "it computes nothing, its images were made elsewhere."
    files_sha256: Tensor

    def __init__(
        self,
        dir: str | None = None,
        paper: str | None = None,
        trained_on: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__()
        if not dir:
            raise ConfigError(
                "+method=images scores SR images made elsewhere; say where they lie: method.dir=DIR."
            )
        if not all(isinstance(entry, Mapping) and entry.get("data") for entry in trained_on):
            raise ConfigError("method.trained_on is a list like [{data: ffhq, images: 70000}].")
        self._folder = check_folder(Path(dir).expanduser(), "method.dir")
        self._listing = list_images(self._folder, "method.dir")
        self._files: dict[str, Path] = {}
        self.paper = paper or type(self).paper  # type: ignore[misc]
        self.trained_on = [dict(entry) for entry in trained_on]
        # A killed test stage goes on only where every tensor is the same: let the images be one.
        self.register_buffer("files_sha256", torch.zeros(32, dtype=torch.uint8), persistent=False)

    def begin_test(self, keys: Sequence[str], hr: tuple[int, int]) -> None:
        """Find the image of every key, and look at each before one is scored.

        Raises:
            DataError: keys without an image or with several, damaged images, other sizes than HR's.
        """
        found = match_names(self._listing.files, keys)
        headers, broken = read_headers(found.files.values())
        sizes = {key: headers[path].size for key, path in found.files.items() if path in headers}
        wrong = [f"{key} ({h}x{w})" for key, (h, w) in sorted(sizes.items()) if (h, w) != hr]
        damaged = [f"{path.name} {reason}" for path, reason in sorted(broken.items())]
        faults = [
            f"{len(names)} {text}: {name_list(names)}"
            for names, text in (
                (found.lonely, f"of the {len(keys)} test keys have no image"),
                (found.unclear, "could belong to several"),
                (damaged, "cannot be read"),
                (wrong, f"are not of the protocol's size, {hr[0]}x{hr[1]}"),
            )
            if names
        ]
        if faults:
            raise DataError(
                f"The images in method.dir={self._folder} cannot be scored: {'; '.join(faults)}. "
                "Every test key needs one image of the same relative path up to the extension, or "
                'named as in sr/ of a run (0001.jpg.png for "0001.jpg").'
            )
        if found.strangers:
            log.warning(
                "%d images in %s belong to no test key and are not looked at: %s",
                len(found.strangers), self._folder, name_list(found.strangers),
            )  # fmt: skip
        self._files = found.files
        digest = hashlib.sha256()
        for key, path in sorted(found.files.items()):
            digest.update(key.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        own = np.frombuffer(digest.digest(), dtype=np.uint8).copy()
        self.files_sha256 = torch.from_numpy(own).to(self.files_sha256.device)

    def restore(self, lr: Tensor, keys: Sequence[str]) -> Tensor:
        """The images of these keys, float32 (B, 3, H, W) in [0, 1]."""
        images = np.stack([read_rgb(self._files[key]) for key in keys])
        return to_float(torch.from_numpy(images).to(lr.device))

    def super_resolve(self, lr: Tensor) -> Tensor:
        """Images from elsewhere have names, and there are none beside the test set's.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            "+method=images holds images that were made already; it cannot super-resolve others."
        )
