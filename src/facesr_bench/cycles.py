"""``facesr-bench cycles RUN_DIR``: what a trained cycle makes of faces, written and scored.

SCGAN's Fig. 2 compares degraded HR faces with real LR ones (FID), and what is restored from them
with the HR they came from (PSNR, SSIM). Records of a run hold neither: they measure the restoration
network on the LR of a protocol.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from facesr_bench.cli import exit_code_of
from facesr_bench.errors import ConfigError, DataError, UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from facesr_bench.datamodule import FaceSRDataModule
    from facesr_bench.images import UInt8Image
    from facesr_bench.method import Method


@runtime_checkable
class HasCycles(Protocol):
    """A method trained by cycles between HR and LR faces."""

    def cycles(
        self, hr: "Tensor", lr: "Tensor", rngs: Sequence["torch.Generator"]
    ) -> Mapping[str, "Tensor"]:
        """What its networks make of HR faces and of unrelated LR ones.

        Args:
            hr: (B, 3, H, W) in [0, 1], RGB.
            lr: (B, 3, h, w), the same.
            rngs: one for each row, to draw its noise from.

        Returns:
            Of the names in :data:`SCORED` those it has networks for, (B, 3, ., .) in [0, 1].
        """
        ...


@dataclass(frozen=True)
class Trained:
    """A finished run's method.

    Attributes:
        method: in eval mode, with the run's weights.
        cycles: its :meth:`HasCycles.cycles`.
        settings: the run's.
    """

    method: "Method"
    cycles: "Callable[[Tensor, Tensor, Sequence[torch.Generator]], Mapping[str, Tensor]]"
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """How one kind of images is scored: against which folder, by what, and as what."""

    against: str
    metrics: tuple[str, ...]
    what: str


SCORED: Mapping[str, Comparison] = {
    "hr_degraded": Comparison("lr", ("fid_kid",), "s, degraded HR faces, against the LR faces"),
    "hr_degraded_restored": Comparison(
        "hr", ("psnr_rgb", "ssim_rgb"), "S, restored from s, against the HR faces"
    ),
    "lr_restored": Comparison("hr", ("fid_kid",), "R, restored LR faces, against the HR faces"),
    "lr_restored_degraded": Comparison(
        "lr", ("psnr_rgb", "ssim_rgb"), "c, degraded from R, against the LR faces"
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Write the images and score them."""
    parser = argparse.ArgumentParser(
        prog="facesr-bench cycles",
        description="Write what a trained cycle (scgan, cyclegan) makes of HR and LR faces of its "
        "run's data, and score it: SCGAN's Fig. 2.",
    )
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="a run's output folder")
    parser.add_argument("--out", type=Path, required=True, help="a new folder for the images")
    parser.add_argument("--ckpt", type=Path, help="another checkpoint than the run's last")
    parser.add_argument("--images", type=int, help="so many faces only")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--allow-small", action="store_true", help="FID of few images, too")
    arguments = parser.parse_args(argv)
    made = write_cycles(
        arguments.run, arguments.out, arguments.ckpt, arguments.images, arguments.device
    )
    for name in made:
        _score(name, arguments.out, arguments.device, arguments.allow_small)
    return 0


def write_cycles(
    run: Path, out: Path, ckpt: Path | None, limit: int | None, device: str
) -> list[str]:
    """Write ``hr``, ``lr`` and the folders named in :data:`SCORED`, files numbered alike.

    HR faces are the test set's, or, where it has none, the first of the training split; LR faces are
    the test set's. Noise is drawn for each number from the run's seed.

    Returns:
        Names of the folders that were made of them.

    Raises:
        DataError: no run, or a folder that holds something.
        ConfigError: a method without cycles.
    """
    import torch

    from facesr_bench.config import build_data
    from facesr_bench.evaluate.measuring import choose_device
    from facesr_bench.images import encode_png, to_float, to_uint8, write_atomically
    from facesr_bench.seeding import torch_rng

    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out} is not empty; give --out a new folder.")
    trained = trained_cycles(run, ckpt)
    where = choose_device(device)
    trained.method.to(where)
    seed, made = int(trained.settings["seed"]), []

    def write(folder: str, number: int, image: "UInt8Image") -> None:
        (out / folder).mkdir(parents=True, exist_ok=True)
        write_atomically(out / folder / f"{number:05d}.png", encode_png(image))

    data = build_data(trained.settings["data"])
    for first, hr, lr in _batches(data, limit):
        rngs = [torch_rng(seed, "cycles", first + row) for row in range(len(hr))]
        h, real = (to_float(torch.from_numpy(_stack(side))).to(where) for side in (hr, lr))
        with torch.no_grad():
            found = trained.cycles(h, real, rngs)
        made = list(found)
        images = {"hr": hr, "lr": lr} | {name: list(to_uint8(rows)) for name, rows in found.items()}
        for folder, rows in images.items():
            for row, image in enumerate(rows):
                write(folder, first + row, image)
    return made


def trained_cycles(run: Path, ckpt: Path | None = None) -> Trained:
    """What a finished run trained.

    Args:
        run: its folder.
        ckpt: another checkpoint than its last.

    Raises:
        DataError: no run.
        ConfigError: a method without cycles.
        WeightsError: no checkpoint, or another method's.
    """
    from omegaconf import OmegaConf

    from facesr_bench.checkpoints import load_weights, read_checkpoint
    from facesr_bench.config import build_method

    if not (run / "config.yaml").is_file():
        raise DataError(f"{run} is not the output folder of a run: it has no config.yaml.")
    settings = cast("dict[str, Any]", OmegaConf.to_container(OmegaConf.load(run / "config.yaml")))
    method = build_method(settings["method"])
    cycles = method.cycles if isinstance(method, HasCycles) else None
    if cycles is None:
        raise ConfigError(
            f"{settings['method']['name']} is not trained by cycles, so there are none to show."
        )
    path = ckpt or run / "checkpoints" / "last.ckpt"
    load_weights(method, read_checkpoint(path), str(path))
    return Trained(method.eval(), cycles, settings)


def _batches(
    data: "FaceSRDataModule", limit: int | None
) -> Iterator[tuple[int, list["UInt8Image"], list["UInt8Image"]]]:
    """Number of the first row, HR and LR faces."""
    test = data.test_set
    train = None if test.has_hr else data.required("train")
    count = min(len(test), limit or len(test), len(test) if train is None else len(train))
    for first in range(0, count, data.test_batch_size):
        numbers = range(first, min(first + data.test_batch_size, count))
        hr = [test.hr(n) if train is None else _hr_of(train[n]) for n in numbers]
        yield first, hr, [test.lr[n] for n in numbers]


def _hr_of(sample: Any) -> "UInt8Image":
    image: UInt8Image = sample.hr
    return image


def _stack(images: Sequence["UInt8Image"]) -> "UInt8Image":
    import numpy as np

    return np.stack(images)


def _score(name: str, out: Path, device: str, allow_small: bool) -> None:
    from facesr_bench.evaluate.folders import score_folders
    from facesr_bench.evaluate.request import Request
    from facesr_bench.evaluate.stopping import stoppable

    comparison = SCORED[name]
    request = Request(
        images=out / name,
        hr=out / comparison.against,
        metrics=comparison.metrics,
        out=out / "scores" / name,
        name=name,
        set_name=comparison.against,
        device=device,
        on_missing="skip",
        allow_small=allow_small,
    )
    print(f"{comparison.what}:")
    try:
        with stoppable() as stop:
            score_folders(request, stop)
    except UsageError as error:  # the images are there; weights that are not cost their own numbers
        print(f"  not scored: {error}")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
