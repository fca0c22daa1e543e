"""``facesr-bench reference save|import|list``: sets that distances can compare with.

Nothing heavy is imported before it is needed: help answers at once.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesr_bench.errors import DataError, FaceSRError, UsageError
from facesr_bench.key_lists import list_file, read_list
from facesr_bench.metrics.feature_network import WITH_WEIGHTS

if TYPE_CHECKING:
    from facesr_bench.metrics.feature_cache import KeyedFeatures
    from facesr_bench.metrics.frozen import FrozenNetwork

_BATCH = 16


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the sub-commands.

    Raises:
        FaceSRError: what is wrong with the images, the file or the name, as a sentence.
    """
    arguments = _parser().parse_args(argv)
    if arguments.command == "list":
        return _list()
    if arguments.command == "import":
        return _import(arguments.file, arguments.name, arguments.network, arguments.resize)
    return _save(arguments.folder, arguments.name, arguments.network, arguments.keys)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="facesr-bench reference",
        description="Reference sets for distances, kept in references/ of the cache folder. Compare "
        "with one: +measure@metrics.measures.fid_ffhq=fid_kid "
        "metrics.measures.fid_ffhq.reference=NAME; the metric is then called fid@NAME.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    save = commands.add_parser("save", help="compute and keep the features of a folder of images")
    save.add_argument("folder", type=Path, metavar="FOLDER")
    save.add_argument("--keys", metavar="FILE", help="only these images: a file with one path below "
                      "FOLDER a line, or one of the lists shipped in datasets/lists")  # fmt: skip
    take = commands.add_parser(
        "import", help="take in mu and sigma (and n) from an .npz of pytorch-fid or torch-fidelity"
    )
    take.add_argument("file", type=Path, metavar="FILE.npz")
    take.add_argument("--resize", metavar="TEXT", help="how its images were resized, if you know it, "
                      "in the words of the metric's settings; another resize is refused")  # fmt: skip
    for command in (save, take):
        command.add_argument("--name", required=True, metavar="NAME", help="what to call it")
        command.add_argument("--network", choices=WITH_WEIGHTS, default=WITH_WEIGHTS[0],
                             help="whose features (default: %(default)s)")  # fmt: skip
    commands.add_parser("list", help="every reference on this machine")
    return parser


def _save(folder: Path, name: str, network: str, keys: str | None) -> int:
    from facesr_bench.listing import check_folder, list_images
    from facesr_bench.metrics.reference_store import reference_path, store_features

    if reference_path(name).exists():  # before an hour of work, not after
        raise UsageError(f"There is a reference {name!r} already; choose another name.")
    listing = list_images(check_folder(folder, "FOLDER"), "FOLDER")
    if keys is not None:
        wanted = read_list(list_file(keys))
        lost = sorted(wanted - listing.files.keys())
        if lost:
            raise DataError(
                f"{folder} lacks {len(lost)} of the {len(wanted)} images listed in {keys}, the first "
                f"is {lost[0]}."
            )
        listing = listing.only(wanted)
    if len(listing.files) < 2:
        raise DataError(f"{folder} holds one image; a reference set needs at least two.")

    import torch

    from facesr_bench.metrics.feature_network import build_feature_network

    built = build_feature_network(network)
    built.frozen.to("cuda" if torch.cuda.is_available() else "cpu")
    features = _features(built.frozen, listing.files)
    path = store_features(name, network, built.settings, features)
    passed = sum(listing.others.values())
    also = f" ({passed} other files were passed over)" if passed else ""
    print(f"{name}: features of {len(features.keys)} images{also}, {network}, in {path}")
    return 0


def _features(network: "FrozenNetwork", files: dict[str, Path]) -> "KeyedFeatures":
    """Features of image files of any sizes, in key order."""
    import numpy as np
    from tqdm import tqdm

    from facesr_bench.images import read_rgb
    from facesr_bench.metrics.feature_cache import KeyedFeatures
    from facesr_bench.metrics.rows import RowTable

    table = RowTable()

    def read() -> Iterator[tuple[str, Any]]:
        for key, path in tqdm(files.items(), unit="img", disable=not sys.stderr.isatty()):
            yield key, read_rgb(path)

    # Neighbours of one size go through together.
    for _, run in groupby(read(), key=lambda item: item[1].shape):
        batch: list[tuple[str, Any]] = []
        for item in run:
            batch.append(item)
            if len(batch) == _BATCH:
                _pass(network, batch, table)
                batch = []
        if batch:
            _pass(network, batch, table)
    keys = table.keys
    rows = table.take(keys)
    if not np.isfinite(rows).all():
        raise DataError("The network's features are not finite; its weights are damaged.")
    return KeyedFeatures(keys, rows)


def _pass(network: "FrozenNetwork", batch: list[tuple[str, Any]], table: Any) -> None:
    import numpy as np
    import torch

    images = torch.from_numpy(np.stack([image for _, image in batch])).permute(0, 3, 1, 2)
    table.add([key for key, _ in batch], network(images).numpy())


def _import(file: Path, name: str, network: str, resize: str | None) -> int:
    from facesr_bench.metrics.feature_network import DIMENSIONS
    from facesr_bench.metrics.reference_store import read_origin, store_statistics

    path = store_statistics(name, network, DIMENSIONS[network], resize, file)
    count = read_origin(name).count
    images = "an unknown number of images" if count is None else f"{count} images"
    print(f"{name}: statistics of {images}, {network}, in {path}")
    print(
        "  Its weights cannot be verified from such a file, nor its resize; results say so. Statistics "
        "alone give no KID."
    )
    return 0


def _list() -> int:
    from rich.table import Table

    from facesr_bench.cache import cache_dir
    from facesr_bench.console import print_rich
    from facesr_bench.metrics.reference_store import read_origin, reference_names

    table = Table(title=f"References in {cache_dir() / 'references'}", title_justify="left")
    for column in ("name", "kind", "images", "network", "weights", "resize"):
        table.add_column(column, justify="right" if column == "images" else "left")
    bad = []
    for name in reference_names():
        try:
            origin = read_origin(name)
        except FaceSRError as error:
            bad.append(str(error))
            continue
        count = "?" if origin.count is None else str(origin.count)
        facts = (origin.network, origin.weights_sha256 or "?", origin.resize or "?")
        table.add_row(name, origin.kind, count, *facts)
    print_rich([table])
    for problem in bad:
        print(problem, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    from facesr_bench.cli import exit_code_of

    sys.exit(exit_code_of(main))
