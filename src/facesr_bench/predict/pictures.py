"""Which pictures are read, and where each result goes: decided before anything is computed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.evaluate.pairing import name_list
from facesr_bench.headers import read_header
from facesr_bench.images import UInt8Image, read_rgb
from facesr_bench.listing import check_folder, list_images

EXISTING = ("refuse", "skip", "overwrite")


@dataclass(frozen=True)
class Picture:
    """One picture to be enlarged.

    Attributes:
        key: its path relative to ``input``, or its file name.
        path: where it lies.
        target: where the result goes, a PNG.
    """

    key: str
    path: Path
    target: Path

    def face(self, number: int) -> Path:
        """Where the face of a number goes with ``predict.faces=align``."""
        return self.target.with_name(f"{self.target.stem}_face{number}.png")

    def results_there(self) -> bool:
        """Whether a result of it exists already, as a picture or as faces."""
        return self.target.exists() or self.face(1).exists()


def find_pictures(source: Path, out: Path) -> list[Picture]:
    """The pictures of ``input=``: one file, or a folder with all below it.

    Results keep folders and names and end in ``.png``; where two would be called the same (``a.jpg``
    beside ``a.png``) they keep their extension as well (``a.jpg.png``). What lies in ``out`` is a
    result of ours and no input.

    Raises:
        DataError: no such file or folder, or no picture in it.
    """
    if source.is_file():
        files: Mapping[str, Path] = {source.name: source}
    else:
        folder = check_folder(source, "input")
        inside = out.resolve()
        files = {
            key: path
            for key, path in list_images(folder, "input").files.items()
            if inside == folder.resolve() or inside not in path.resolve().parents
        }
        if not files:
            raise DataError(f"input={source} holds no picture beside those in {out}.")
    plain = {key: str(PurePosixPath(key).with_suffix(".png")) for key in files}
    often = Counter(name.casefold() for name in plain.values())
    return [
        Picture(
            key, path, out / (plain[key] if often[plain[key].casefold()] == 1 else f"{key}.png")
        )
        for key, path in files.items()
    ]


def leave_out_existing(pictures: list[Picture], existing: str) -> list[Picture]:
    """What is left to do, by the rule of ``predict.existing``.

    Raises:
        ConfigError: an unknown rule, results that are there already ("refuse"), or a result that would
            replace one of the pictures (always).
    """
    if existing not in EXISTING:
        raise ConfigError(f"predict.existing={existing} is not one of {', '.join(EXISTING)}.")
    sources = {picture.path.resolve() for picture in pictures}
    onto = [p.key for p in pictures if p.target.resolve() in sources]
    if onto:
        raise ConfigError(
            f"The results of {len(onto)} pictures would replace the pictures themselves: "
            f"{name_list(onto)}. Choose another output_dir."
        )
    there = [picture for picture in pictures if picture.results_there()]
    if there and existing == "refuse":
        raise ConfigError(
            f"{len(there)} of the {len(pictures)} results are there already: "
            f"{name_list([str(picture.target) for picture in there])}. Choose another output_dir, or "
            "say predict.existing=skip or predict.existing=overwrite."
        )
    return pictures if existing == "overwrite" else [p for p in pictures if p not in there]


def read_picture(path: Path) -> UInt8Image:
    """Decode one picture, uint8 (H, W, 3), turned as its camera said.

    Raises:
        DataError: why it cannot be used, as the rest of a sentence ("is cut short or damaged").
    """
    read_header(path)
    try:
        return read_rgb(path)
    except DataError as error:
        raise DataError(f"cannot be decoded ({error.__cause__ or error})") from error
