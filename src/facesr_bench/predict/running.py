"""The story of ``stage=predict``: read, enlarge, write; a picture that fails costs only itself."""

import json
import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from facesr_bench.console import progress_bar
from facesr_bench.errors import ConfigError, DataError, FaceSRError
from facesr_bench.evaluate.pairing import name_list
from facesr_bench.faces.yunet import MEASURING, YuNet
from facesr_bench.images import UInt8Image, encode_png, write_atomically
from facesr_bench.inference import chosen_device, ready_method
from facesr_bench.predict.pasting import Template, scale_of, template_of
from facesr_bench.predict.pictures import (
    Picture,
    find_pictures,
    leave_out_existing,
    read_picture,
)
from facesr_bench.predict.restoring import FindFaces, Restorer, faces_in
from facesr_bench.results import device_facts, git_state, now, package_versions

log = logging.getLogger(__name__)

FACES = (False, "paste", "align")
_DETECTED_AT = 1280
"""Pixels of a photo's longer side when faces are looked for: small ones of a group are found still."""


def predict(settings: Mapping[str, Any], output_dir: Path, find: FindFaces | None = None) -> None:
    """Enlarge every picture of ``input=`` and write a PNG each, and one note of what was done.

    Args:
        settings: the resolved configuration.
        output_dir: gets the results and ``predict_<date>.json``.
        find: what finds faces; YuNet when not given.

    Raises:
        DataError: at the end, when pictures could not be used; the others are written.
        FaceSRError: before anything is written.
    """
    chosen = settings["predict"]
    if settings["input"] is None:
        raise ConfigError("stage=predict needs pictures: input=FILE or input=DIR.")
    if chosen["faces"] not in FACES:
        raise ConfigError(
            f"predict.faces={chosen['faces']} is not one of false, paste (back into the photo), align "
            "(the faces alone)."
        )
    template = template_of(chosen["template"])
    pictures = find_pictures(Path(str(settings["input"])).expanduser(), output_dir)
    waiting = leave_out_existing(pictures, chosen["existing"])
    device = chosen_device(settings["trainer"])
    if chosen["faces"] and find is None:
        detector = YuNet()  # before the method: what is missing is told at once
        find = lambda image: detector.every(image, MEASURING, _DETECTED_AT)  # noqa: E731
    method, weights = ready_method(settings, device)
    restorer = Restorer(method, settings["data"])
    log.info(
        "%s (%s): %d pictures, %d of them there already -> %s", settings["method"]["name"],
        weights.origin, len(pictures), len(pictures) - len(waiting), output_dir,
    )  # fmt: skip
    done: list[dict[str, Any]] = []
    try:
        with progress_bar("super-resolve", len(waiting)) as bar:
            for picture in waiting:
                done.append(_one(picture, restorer, chosen["faces"], find, template))
                bar.update()
    finally:  # also when somebody stops it
        note = {
            "method": settings["method"]["name"],
            "origin": weights.origin,
            "weights": [*weights.files, *method.weight_files],
            "trained_on": method.provenance(),
            "config": dict(settings),
            "versions": package_versions(),
            "git": git_state(),
            "device": device_facts(device.type),
            "ended": now(),
            "pictures": done,
        }
        _write_note(output_dir, note)
    _tell(done, output_dir)


def _one(
    picture: Picture,
    restorer: Restorer,
    faces: str | bool,
    find: FindFaces | None,
    template: Template,
) -> dict[str, Any]:
    """Enlarge one picture; a fault of its own is told and noted."""
    row: dict[str, Any] = {"input": str(picture.path)}
    try:
        image = read_picture(picture.path)
        results: dict[Path, UInt8Image] = {}
        if find is None or not faces:
            results[picture.target] = restorer.whole(image, picture.key)
        else:
            found = faces_in(image, find)
            row["faces"] = [
                {
                    "score": round(face.score, 4),
                    "box": [round(value, 1) for value in face.box],
                    "scale": round(scale_of(face.landmarks, template, restorer.lr_side), 3),
                }
                for face in found
            ]
            _warn_of_large_faces(picture, row["faces"], restorer)
            if faces == "paste":
                results[picture.target] = restorer.photo(image, picture.key, found, template)
            else:
                crops = restorer.faces(image, picture.key, found, template)
                results = {picture.face(number): sr for number, sr in enumerate(crops, 1)}
        for path, result in results.items():
            write_atomically(path, encode_png(result))
        row["output"] = [str(path) for path in results]
        row["size"] = [list(result.shape[:2]) for result in results.values()]
    except (FaceSRError, MemoryError, torch.OutOfMemoryError) as error:
        memory = not isinstance(error, FaceSRError)
        row["error"] = "is too large for the memory of this device" if memory else str(error)
        log.warning("%s %s", picture.path, row["error"])
    return row


def _warn_of_large_faces(picture: Picture, faces: list[dict[str, Any]], restorer: Restorer) -> None:
    """A face larger than the method's LR loses what the photo had: say so."""
    large = [str(number) for number, face in enumerate(faces, 1) if face["scale"] < 0.99]
    if large:
        log.warning(
            "%s: face %s (from the left) is larger than the %dx%d the method sees and is reduced to "
            "that first; what it loses, the method invents.",
            picture.path, ", ".join(large), restorer.lr_side, restorer.lr_side,
        )  # fmt: skip


def _write_note(output_dir: Path, note: dict[str, Any]) -> None:
    date = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    path, number = output_dir / f"predict_{date}.json", 2
    while path.exists():
        path, number = output_dir / f"predict_{date}-{number}.json", number + 1
    text = json.dumps(note, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, text.encode())


def _tell(done: list[dict[str, Any]], output_dir: Path) -> None:
    failed = [row for row in done if "error" in row]
    log.info("%d pictures written to %s.", len(done) - len(failed), output_dir)
    if failed:
        names = name_list([f"{row['input']} {row['error']}" for row in failed])
        raise DataError(
            f"{len(failed)} of {len(done)} pictures could not be used: {names}. The others are in "
            f"{output_dir}."
        )
