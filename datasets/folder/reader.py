"""Any folder of face images as a data set: the way in for a user's own pictures."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from facesr_bench.data import FaceData, Role
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.facts import FactsTable, read_facts
from facesr_bench.images import Size
from facesr_bench.listing import Listing, check_folder, list_images, stem
from facesr_bench.resize import KERNELS, Kernel

from .pairing import pair
from .sizes import read_size
from .split import FolderSplit, OnError, Rules
from .split_file import assign, read_split_file
from .subfolders import find_split_folders, warn_of_deeper_splits

log = logging.getLogger(__name__)


class Folder(FaceData):
    """Images below one, two or three folders.

    What is read: PNG, JPEG, WebP and BMP of 8 bits, grey or colour, in any sub-folder. The camera's
    rotation is honoured, transparency dropped (said once, with a count). Hidden files, ``__MACOSX``
    and ``*.tmp.*`` are passed over. Keys are relative POSIX paths with extension; LR is paired with
    HR by that path without extension.

    Which split an image belongs to: what ``split_file`` says (see :mod:`.split_file`); else the
    sub-folder train/, val/ or test/ it lies in (keys are then relative to that sub-folder); with
    neither, everything is test, and that is logged.

    Args:
        root: HR images.
        lr_root: LR images: the partners of ``root``'s where both hold a split, LR without ground
            truth where only this one does.
        train_lr_root: unpaired real LR to train on; all of it, or its train/ sub-folder.
        hr_size: side, or [height, width], of HR in pixels; None: what most images have.
        lr_size: likewise of LR; None: ``hr_size / factor`` where both are known.
        factor: HR side over LR side, used to check sizes only.
        resize: "refuse" images of another size, or the operator of Pillow that resizes them
            ("bicubic", "box" ...) where the shape is right to 5 %; HR is never enlarged.
        split_file: CSV, TXT or JSON.
        facts_file: CSV of who each image shows, of five landmarks, domain and attributes (see
            :mod:`facesr_bench.facts`); all are unknown without it.
        on_error: "raise" one error naming all unusable files (damaged, odd-sized, without partner),
            or "skip" them with a warning that counts them.
        recursive: whether sub-folders are searched.

    Raises:
        ConfigError: arguments that cannot work together.
        DataError: a folder that does not exist or may not be read.
    """

    name = "folder"

    def __init__(
        self,
        root: str | Path | None = None,
        lr_root: str | Path | None = None,
        train_lr_root: str | Path | None = None,
        *,
        hr_size: int | Sequence[int] | None = None,
        lr_size: int | Sequence[int] | None = None,
        factor: int | None = None,
        resize: Literal["refuse"] | Kernel = "refuse",
        split_file: str | Path | None = None,
        facts_file: str | Path | None = None,
        on_error: OnError = "raise",
        recursive: bool = True,
    ) -> None:
        if root is None and lr_root is None:
            raise ConfigError(
                "A folder data set needs images: give data.root=DIR (HR), data.lr_root=DIR (LR), "
                "or both for pairs."
            )
        if resize != "refuse" and resize not in KERNELS:
            raise ConfigError(f"data.resize={resize} is not one of refuse, {', '.join(KERNELS)}.")
        if on_error not in {"raise", "skip"}:
            raise ConfigError(f"data.on_error={on_error} is not one of raise, skip.")
        self.factor = factor
        hr = read_size("data.hr_size", hr_size)
        lr = read_size("data.lr_size", lr_size) or _reduced(hr, factor)
        self._rules = Rules(hr, lr, None if resize == "refuse" else resize, on_error)
        self._recursive = recursive
        self._splits: dict[Role, FolderSplit | None] = {}
        self._split_file = None if split_file is None else Path(split_file).expanduser()
        self._assigned = None if self._split_file is None else read_split_file(self._split_file)
        self._facts = FactsTable({})
        if facts_file is not None:
            self._facts = read_facts(Path(facts_file).expanduser(), "data.facts_file")
        named = {"data.root": root, "data.lr_root": lr_root, "data.train_lr_root": train_lr_root}
        self._roots = {
            option: check_folder(Path(folder).expanduser(), option)
            for option, folder in named.items()
            if folder is not None
        }
        self._sub: dict[str, dict[str, Path]] = {}
        for option, folder in self._roots.items():
            unpaired = option == "data.train_lr_root"
            if self._split_file is not None and not unpaired:
                continue  # the file decides, whatever the sub-folders are called
            self._sub[option] = find_split_folders(folder, option)
            if not self._sub[option] and not unpaired:
                log.info(
                    "%s=%s has no sub-folders train, val or test, and there is no split file: all "
                    "of it is the test split.",
                    option,
                    folder,
                )

    def split(self, role: Role) -> FolderSplit | None:
        """Open one split; its files are listed and looked at the first time only.

        Raises:
            DataError: naming every file that cannot be used, or what is missing.
        """
        if role not in self._splits:
            self._splits[role] = self._open(role)
        return self._splits[role]

    def _open(self, role: Role) -> FolderSplit | None:
        if role == "exemplar":
            return None
        if role == "train_lr":
            hr, lr = None, self._list_train_lr()
        elif self._assigned is not None:
            hr, lr = self._list_assigned(role)
        else:
            hr, lr = self._list("data.root", role), self._list("data.lr_root", role)
        if hr is None and lr is None:
            return None
        if role == "train" and hr is None:
            raise DataError(
                "There are LR images to train on in data.lr_root, but no HR images with them in "
                "data.root. LR without partners, for training, belongs in data.train_lr_root."
            )
        sides = [f"{side.option}={side.folder}" for side in (hr, lr) if side is not None]
        name = f"the {role} split of {' and '.join(sides)}"
        items, problems = pair(hr, lr)
        split = FolderSplit(name, items, problems, self._rules, self._facts)
        self._check_factor(name, split)
        kinds = [kind for kind, side in (("HR", hr), ("LR", lr)) if side is not None]
        log.info("%d samples in %s (%s).", len(split), name, " and ".join(kinds))
        return split

    def _list(self, option: str, role: Role) -> Listing | None:
        if option not in self._roots:
            return None
        folders = self._sub[option] or {"test": self._roots[option]}
        if role not in folders:
            return None
        listing = list_images(folders[role], option, self._recursive)
        if not self._sub[option]:
            warn_of_deeper_splits(listing)
        return listing

    def _list_train_lr(self) -> Listing | None:
        option = "data.train_lr_root"
        if option not in self._roots:
            return None
        folders = self._sub[option]
        if folders and "train" not in folders:
            raise DataError(
                f"{option}={self._roots[option]} has {', '.join(folders)} below it but no train. "
                "Give the folder that holds the LR images to train on."
            )
        folder = folders.get("train", self._roots[option])
        return list_images(folder, option, self._recursive)

    def _list_assigned(self, role: Role) -> tuple[Listing | None, Listing | None]:
        assert self._assigned is not None and self._split_file is not None
        option = "data.root" if "data.root" in self._roots else "data.lr_root"
        whole = list_images(self._roots[option], option, self._recursive)
        keys = assign(self._assigned, whole, self._split_file)
        left = len(whole.files) - sum(len(some) for some in keys.values())
        if left:
            log.warning("%d images below %s are in no split of %s.", left, option, self._split_file)
        if not keys[role]:
            return None, None
        ours = whole.only(keys[role])
        if option == "data.lr_root":
            return None, ours
        if "data.lr_root" not in self._roots:
            return ours, None
        partners = list_images(self._roots["data.lr_root"], "data.lr_root", self._recursive)
        stems = {stem(key) for key in ours.files}
        return ours, partners.only({key for key in partners.files if stem(key) in stems})

    def _check_factor(self, name: str, split: FolderSplit) -> None:
        hr, lr = split.hr_size, split.lr_size
        if self.factor is None or hr is None or lr is None:
            return
        if (lr[0] * self.factor, lr[1] * self.factor) != hr:
            raise DataError(
                f"In {name}, HR is {hr[0]}x{hr[1]} and LR {lr[0]}x{lr[1]}, which is not a factor "
                f"of {self.factor}. Set data.factor, data.hr_size, data.lr_size to what they are."
            )


def _reduced(hr: Size | None, factor: int | None) -> Size | None:
    if hr is None or factor is None:
        return None
    if hr[0] % factor or hr[1] % factor:
        raise ConfigError(
            f"data.hr_size={hr[0]}x{hr[1]} cannot be divided by data.factor={factor}. Change one."
        )
    return hr[0] // factor, hr[1] // factor
