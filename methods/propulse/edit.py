"""Semantic editing (paper, Fig. 9): move the codes of SR faces, look at them at every resolution.

    EDIT="python -m facesr_bench.methods.propulse.edit"
    $EDIT sample RUN --out faces --classifier attribute_classifier
    $EDIT fit faces --attribute Smiling --out smile.safetensors
    $EDIT apply RUN LR.png --direction smile.safetensors --out edited

``sample`` makes faces of the run's prior; their attributes come from a registered classifier, or from a
table ``attributes.csv`` of your own beside them: columns ``key`` (000000.png ...) and the attributes.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from facesr_bench.cli import report
from facesr_bench.errors import DataError, FaceSRError

if TYPE_CHECKING:
    from torch import Tensor

    from .module import ProPULSE

_CODES, _TABLE = "codes.safetensors", "attributes.csv"
_AT_ONCE = 16
_LARGEST_CELL = 256


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m facesr_bench.methods.propulse.edit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = argparse.ArgumentParser(add_help=False)
    run.add_argument("run", type=Path, metavar="RUN", help="output folder of a run of propulse")
    out = argparse.ArgumentParser(add_help=False)
    out.add_argument("--out", type=Path, required=True)
    sample = commands.add_parser("sample", parents=[run, out], help="faces of the run's prior")
    sample.add_argument("--number", type=int, default=2000)
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument("--classifier", help="registered weights that score the faces' attributes")
    fit = commands.add_parser("fit", parents=[out], help="a direction from scored faces")
    fit.add_argument("faces", type=Path, help="the folder that sample wrote")
    fit.add_argument("--attribute", required=True, help=f"a column of {_TABLE}")
    apply = commands.add_parser("apply", parents=[run, out], help="edited faces at every side")
    apply.add_argument("lr", type=Path, nargs="+", help="LR faces of 16x16, or folders of them")
    apply.add_argument("--direction", type=Path, required=True)
    apply.add_argument("--strengths", type=float, nargs="+", default=[-3, -1.5, 0, 1.5, 3])
    apply.add_argument(
        "--layers", type=int, nargs=2, default=None, metavar=("FIRST", "END"), help="codes to move"
    )
    arguments = parser.parse_args(argv)
    {"sample": _sample, "fit": _fit, "apply": _apply}[arguments.command](arguments)
    return 0


def _sample(arguments: argparse.Namespace) -> None:
    import torch
    from safetensors.torch import save

    from facesr_bench.images import encode_png, to_uint8, write_atomically
    from facesr_bench.seeding import torch_rng

    method = open_run(arguments.run)
    prior = method.nets.G_ds.prior
    scorer = None if arguments.classifier is None else _classifier(arguments.classifier)
    codes, rows = [], list[dict[str, Any]]()
    for start in range(0, arguments.number, _AT_ONCE):
        count = min(_AT_ONCE, arguments.number - start)
        z = torch.randn(count, prior.z_dim, generator=torch_rng(arguments.seed, "faces", start))
        with torch.no_grad():
            codes.append(prior.mapping(z))
            image = prior.synthesis(method.nets.repeated(codes[-1]))
        pixels = to_uint8(image.add(1).div(2))
        scores = None
        if scorer is not None:
            with torch.no_grad():
                scores = scorer(torch.from_numpy(pixels).permute(0, 3, 1, 2)).tolist()
        for index, picture in enumerate(pixels):
            key = f"{start + index:06d}.png"
            write_atomically(arguments.out / key, encode_png(picture))
            if scorer is not None and scores is not None:
                named = dict(zip(scorer.attributes, scores[index], strict=True))
                rows.append({"key": key, **named})
    write_atomically(arguments.out / _CODES, save({"codes": torch.cat(codes)}))
    if rows:
        with (arguments.out / _TABLE).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    print(f"{arguments.out}: {arguments.number} faces, their codes" + (" and scores" * bool(rows)))


def _fit(arguments: argparse.Namespace) -> None:
    import torch

    from facesr_bench.checkpoints import read_checkpoint

    from .directions import fit_direction, write_direction

    codes: Tensor = read_checkpoint(arguments.faces / _CODES)["state_dict"]["codes"]
    scores = read_scores(arguments.faces / _TABLE, arguments.attribute, len(codes))
    known = [number for number, score in enumerate(scores) if score is not None]
    direction = fit_direction(codes[known], torch.tensor([scores[number] for number in known]))
    write_direction(arguments.out, direction)
    print(f"{arguments.out}: {arguments.attribute} from {len(known)} of {len(codes)} faces")


def _apply(arguments: argparse.Namespace) -> None:
    import torch

    from facesr_bench.images import encode_png, read_rgb, to_float, to_uint8, write_atomically

    from .directions import read_direction
    from .encoders import LR_SIDE

    method = open_run(arguments.run)
    generator = method.nets.G_ds
    direction = read_direction(arguments.direction, generator.num_codes, method.nets.w_dim)
    first, end = arguments.layers or (0, generator.num_codes)
    direction = direction.clone()
    direction[:first], direction[end:] = 0, 0
    for path in _files(arguments.lr):
        pixels = read_rgb(path)
        if pixels.shape != (16, 16, 3):
            raise DataError(f"{path} is {pixels.shape[0]}x{pixels.shape[1]}; LR faces are 16x16.")
        with torch.no_grad():
            codes = method.codes(to_float(torch.from_numpy(pixels)[None]))
            strengths = torch.tensor(arguments.strengths)[:, None, None]
            images = method.images_of(codes + strengths * direction)
            images[LR_SIDE] = method.objectives.reduce(images[max(images)]).clamp(0, 1)
        for side, faces in images.items():
            for strength, face in zip(arguments.strengths, to_uint8(faces), strict=True):
                name = f"{path.stem}_{strength:+g}.png"
                write_atomically(arguments.out / f"sr_{side}" / name, encode_png(face))
        sheet = to_uint8(grid(images))[0]
        write_atomically(arguments.out / f"{path.stem}.png", encode_png(sheet))
        print(arguments.out / f"{path.stem}.png")


def grid(images: "dict[int, Tensor]") -> "Tensor":
    """Edited faces of all sides as one picture: a row for each strength, a column for each side.

    The first column, of 16 pixels, is the last image reduced as L_rec does: what its LR face would be.

    Args:
        images: (N strengths, 3, side, side) in [0, 1], by side.

    Returns:
        (1, 3, H, W). Cells are as large as the largest side, at most 256 pixels; pixels of smaller
        sides are repeated, those of larger ones averaged.
    """
    import torch
    from torch.nn.functional import interpolate

    cell = (min(max(images), _LARGEST_CELL),) * 2
    columns = []
    for side in sorted(images):
        mode = "nearest" if side <= cell[0] else "area"
        columns.append(interpolate(images[side], cell, mode=mode))
    return torch.cat([torch.cat(list(column), dim=1) for column in columns], dim=2)[None]


def open_run(run: Path) -> "ProPULSE":
    """The method of a finished run with its weights, in eval mode.

    Raises:
        DataError: the folder is no run of this method.
        WeightsError: its checkpoint is missing, damaged or for another prior.
    """
    from omegaconf import OmegaConf

    from facesr_bench.checkpoints import load_weights, read_checkpoint
    from facesr_bench.config import build_method

    from .module import ProPULSE

    if not (run / "config.yaml").is_file():
        raise DataError(f"{run} is not the output folder of a run: it has no config.yaml.")
    settings = cast("dict[str, Any]", OmegaConf.to_container(OmegaConf.load(run / "config.yaml")))
    method = build_method(settings["method"])
    if not isinstance(method, ProPULSE):
        raise DataError(f"{run} is a run of {settings['method']['name']}, not of propulse.")
    path = run / "checkpoints" / "last.ckpt"
    load_weights(method, read_checkpoint(path), str(path))
    return method.eval()


def read_scores(path: Path, attribute: str, faces: int) -> list[float | None]:
    """One attribute of every face, None where the table says nothing.

    Raises:
        DataError: no table, no such column, or something that is no number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            names, rows = table.fieldnames or [], list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error}).") from error
    if attribute not in names or "key" not in names:
        raise DataError(
            f"{path} has no column {attribute!r} beside 'key', only {', '.join(names)}."
        )
    given = {row["key"]: row[attribute] for row in rows}
    found = [given.get(f"{number:06d}.png") for number in range(faces)]
    try:
        return [float(text) if text else None for text in found]
    except ValueError as error:
        raise DataError(f"{path}, column {attribute!r}: {error}.") from None


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.glob("*.png")) if path.is_dir() else [path]


def _classifier(weights: str) -> Any:
    from facesr_bench.nets.attribute_resnet import resnet_attributes

    return resnet_attributes(weights)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FaceSRError as error:
        sys.exit(report(error))
