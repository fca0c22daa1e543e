"""Copies the chosen images into the site: SR of every run, HR and LR once, all as PNG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facesr_bench.data import check_keys
from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image, encode_png, hash_images, read_rgb
from facesr_bench.leaderboard.page.board import Board
from facesr_bench.leaderboard.page.inputs import Inputs, NoInputs
from facesr_bench.leaderboard.page.picks import Pick, choose_columns, choose_images
from facesr_bench.leaderboard.page.runs import Run
from facesr_bench.store import SRStore

MOST_BYTES = 200 * 2**20
"""Of the SR images of one protocol on a page; beyond it fewer are shown, and the page says so."""

Write = Callable[[str, bytes], None]
"""Stores a file of the site under its relative path."""


@dataclass
class Pictures:
    """What there is to look at.

    Attributes:
        positions: of the keys whose images are there, in key order.
        picks: the choices, by method, metric and rank.
        files: "hr", "lr" or a run's number to the file of each position, None where it is missing.
        size: height and width of the first image.
        notes: sentences about what is missing, and why.
    """

    positions: list[int] = field(default_factory=list)
    picks: list[Pick] = field(default_factory=list)
    files: dict[str, list[str | None]] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    notes: list[str] = field(default_factory=list)


def copy_pictures(board: Board, inputs: Inputs, count: int, folder: str, write: Write) -> Pictures:
    """Choose images and write them.

    Args:
        board: the protocol.
        inputs: its HR and LR images.
        count: images for each method, metric and rank; 0 for none.
        folder: of the site, for this protocol's images.
        write: stores a file.
    """
    made = Pictures()
    if count < 1:
        made.notes.append("The page was made without images (--images 0).")
        return made
    try:
        check_keys(board.keys)  # they become paths below sr/, and a record may be anybody's
    except DataError as error:
        made.notes.append(f"No images are shown. {error}")
        return made
    columns = choose_columns(board)
    fitting = _within(board, columns, count)
    made.picks = choose_images(board, columns, fitting) if fitting else []
    if fitting < count and columns:
        made.notes.append(
            f"{fitting or 'No'} images of each kind are shown instead of {count}: more would be over "
            f"{MOST_BYTES >> 20} MB."
        )
    made.positions = sorted({position for pick in made.picks for position in pick.positions})
    keys = [board.keys[position] for position in made.positions]
    if not keys:
        if not columns:
            made.notes.append("No run has scores of single images to choose images by.")
        return made
    for number, run in enumerate(board.runs):
        read = _reader_of(run, board.keys)
        files, missing = _write_all(keys, read, f"{folder}/{number}", write, made)
        made.files[str(number)] = files
        if missing:
            made.notes.append(
                f"{run.name}: {_of(missing, len(keys))} cannot be shown. {missing[0]}"
            )
    for side, given in (("hr", inputs.hr), ("lr", inputs.lr)):
        files, missing = _write_all(keys, given, f"{folder}/{side}", write, made)
        if any(files):
            made.files[side] = files
        if missing:
            made.notes.append(f"{side.upper()}: {_of(missing, len(keys))} missing. {missing[0]}")
    if isinstance(inputs, NoInputs):
        made.notes.append(inputs.reason)
    return made


def _within(board: Board, columns: Sequence[int], count: int) -> int:
    """The largest number of images per kind, up to ``count``, whose SR files fit the limit."""
    while count:
        picks = choose_images(board, columns, count)
        keys = {board.keys[position] for pick in picks for position in pick.positions}
        if sum(_bytes(run, key) for run in board.runs for key in keys) <= MOST_BYTES:
            break
        count -= 1
    return count


def _bytes(run: Run, key: str) -> int:
    try:
        return SRStore(run.folder / "sr").path(key).stat().st_size
    except OSError:
        return 0


def _reader_of(run: Run, keys: Sequence[str]) -> Callable[[str], UInt8Image]:
    config = run.record.get("config") or {}
    if config.get("command") != "evaluate":
        store = SRStore(run.folder / "sr")
        return lambda key: _read_sr(store.path(key), key)
    folder = Path(str(config.get("sr")))

    def read(key: str) -> UInt8Image:
        return _read_sr(folder / key, key)

    # The record names a folder anywhere on this machine: only the very images it scored are shown.
    try:
        same = hash_images((key, read(key)) for key in sorted(keys)) == run.record["sr_hash"]
    except DataError:
        same = False
    return read if same else _refuse


def _refuse(key: str) -> UInt8Image:
    raise DataError("The folder that was scored is not at hand, or holds other images now.")


def _read_sr(path: Path, key: str) -> UInt8Image:
    if not path.is_file():
        raise DataError(f"The SR image of {key} is not there (kept only with keep_sr=true).")
    try:
        return read_rgb(path, orientation="stored")
    except DataError:
        raise DataError(f"The SR image of {key} is damaged.") from None


def _write_all(
    keys: Sequence[str],
    read: Callable[[str], UInt8Image | None],
    folder: str,
    write: Write,
    made: Pictures,
) -> tuple[list[str | None], list[str]]:
    """Write one image per key; names are numbers, so that no key can become a strange path."""
    files: list[str | None] = []
    missing: list[str] = []
    for number, key in enumerate(keys):
        try:
            image = read(key)
        except DataError as error:
            missing.append(str(error))
            image = None
        if image is None:
            files.append(None)
            continue
        if made.size is None:
            made.size = (image.shape[0], image.shape[1])
        name = f"{folder}/{number}.png"
        # Decoded and encoded again: whatever lies in a run's folder, only pixels are published.
        write(name, encode_png(image, compress_level=6))
        files.append(name)
    return files, missing


def _of(missing: Sequence[str], total: int) -> str:
    return f"{len(missing)} of {total} images"
