"""The folder of a finished run, and whether it still is what its record says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from facesr_bench.config import build_data
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.errors import DataError, FaceSRError
from facesr_bench.protocol import TestSet
from facesr_bench.results import read_record
from facesr_bench.store import SRStore


def finished(folder: Path, *, cells: bool = False) -> Path:
    """The folder of a run that has everything needed, checked before anything is written to it.

    Args:
        folder: of the run.
        cells: whether images in the cells of an adaptation protocol will do.
    """
    if not (folder / "result.json").is_file():
        raise DataError(
            f"{folder} has no result.json: the run is not finished. Let it end, or go on with it."
        )
    record = read_record(folder / "result.json")
    if not (folder / "config.yaml").is_file():
        if record["config"].get("command") == "evaluate":
            raise DataError(
                f"{folder} holds the scores of images from elsewhere, not a run. Give their folder "
                f"again: facesr-bench evaluate {record['config']['sr']} ..."
            )
        raise DataError(f"{folder} has no config.yaml, which says what the run was asked.")
    if not any(folder.glob("cells/*/*/sr" if cells and "adaptation" in record else "sr")):
        dropped = record["config"].get("keep_sr") is False
        raise DataError(
            f"{folder} has no SR images (sr/){', it ran with keep_sr=false' if dropped else ''}; "
            "there is nothing to score. Run the test stage again with keep_sr=true."
        )
    return folder.absolute()


def read_settings(folder: Path) -> dict[str, Any]:
    """``config.yaml`` of a run, as plain containers."""
    path = folder / "config.yaml"
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read ({error}).") from error
    if not isinstance(settings, dict) or not {"data", "metrics"} <= set(settings):
        raise DataError(f"{path} is not the configuration of a run: it lacks data or metrics.")
    return settings


def build_run_data(settings: Mapping[str, Any], folder: Path) -> FaceSRDataModule:
    """The data a run was asked about; an error says where its relative paths start."""
    try:
        data: FaceSRDataModule = build_data(settings["data"])
    except FaceSRError as error:
        raise _unreachable(error, settings, folder) from error
    return data


def same_inputs(
    record: Mapping[str, Any], data: FaceSRDataModule, settings: Mapping[str, Any], folder: Path
) -> TestSet:
    """The test set, if it is still the one the run was asked."""
    try:
        test_set = data.test_set
    except FaceSRError as error:
        raise _unreachable(error, settings, folder) from error
    then = {"lr_hash": record["lr_hash"], "hr_hash": record.get("hr_hash")}
    is_now = {"lr_hash": test_set.lr_hash, "hr_hash": test_set.hr_hash}
    changed = [key for key in then if then[key] != is_now[key]]
    if test_set.hash != record["protocol"]["hash"] or changed:
        what = " and ".join(changed) or "keys, name, version or degradation, though not the pixels"
        raise DataError(
            f"The test set of {folder} is no longer the one the run was asked: its protocol hash is "
            f"{test_set.hash[:12]}, the record says {record['protocol']['hash'][:12]} (different: "
            f"{what}). Scores of different inputs are not mixed; run the method again."
        )
    return test_set


def same_images(record: Mapping[str, Any], store: SRStore, test_set: TestSet) -> None:
    """Refuse SR images that are not those the record speaks of."""
    digest = store.hash(test_set.keys)
    if digest != record["sr_hash"]:
        raise DataError(
            f"The images in {store.root} are not those the run wrote: their sr_hash is "
            f"{digest[:12]}, the record says {record['sr_hash'][:12]}. To score them for what they "
            f"are, give the folder itself: facesr-bench evaluate {store.root} --hr DIR"
        )


def _unreachable(error: FaceSRError, settings: Mapping[str, Any], folder: Path) -> DataError:
    """The data's own sentence, and where its relative paths start."""
    relative = [
        f"{key}={value}"
        for key, value in settings["data"].items()
        if isinstance(value, str)
        and key.endswith(("root", "file", "dir", "path", "folder"))
        and not Path(value).is_absolute()
    ]
    hint = (
        f" {folder / 'config.yaml'} has relative paths ({', '.join(relative)}); start this command "
        f"in the folder the run was started in, not in {Path.cwd()}."
    )
    return DataError(
        f"The test set of {folder} is not to be had: {error}{hint if relative else ''}"
    )
