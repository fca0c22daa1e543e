"""From a finished run to a verdict in its record."""

import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from facesr_bench.attempt import hash_of_weights
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.errors import DataError
from facesr_bench.evaluate.finished import build_run_data, same_inputs
from facesr_bench.evaluate.measuring import choose_device, sole_writer
from facesr_bench.evaluate.reading import progress
from facesr_bench.evaluate.stopping import Stop
from facesr_bench.images import UInt8Image
from facesr_bench.launch import name_conf_folders
from facesr_bench.metrics.scores import read_per_image
from facesr_bench.protocol import TestSet
from facesr_bench.results import (
    device_facts,
    git_state,
    now,
    package_versions,
    read_record,
    write_record,
)
from facesr_bench.starting_weights import StartingWeights
from facesr_bench.store import SRStore
from facesr_bench.verify.__main__ import Request
from facesr_bench.verify.comparing import (
    OTHER_DEVICE,
    SAME_DEVICE,
    compare_images,
    compare_means,
    same_device,
)
from facesr_bench.verify.rerun import (
    build_again,
    choose_batches,
    images_again,
    refuse_what_has_no_method,
    run_batches,
)
from facesr_bench.verify.scores import compare_with_scores
from facesr_bench.verify.verdict import Verdict

log = logging.getLogger(__name__)


def verify(request: Request, stop: Stop) -> Verdict:
    """Compare a run with a repetition of a part of it, and add the verdict to its record.

    Raises:
        FaceSRError: the run cannot be repeated; its record is as it was then.
    """
    began, clock = now(), time.perf_counter()
    folder = request.folder
    name_conf_folders([w for each in request.config_dirs for w in ("--config-dir", str(each))])
    if not (folder / "result.json").is_file():
        raise DataError(f"{folder} has no result.json: there is no finished run to verify.")
    with sole_writer(folder.absolute()):
        record = read_record(folder / "result.json")
        refuse_what_has_no_method(record, folder)
        settings = record["config"]
        data = build_run_data(settings, folder)
        test_set = same_inputs(record, data, settings, folder)
        device = choose_device(request.device)
        method, weights = build_again(settings, folder, data, request.weights)
        seed = secrets.randbelow(2**31) if request.seed is None else request.seed
        there = device_facts(device.type)
        torches = record["versions"].get("torch", ""), package_versions()["torch"]
        same = same_device(record["device"], there, torches)
        verdict = Verdict(request.share, seed, SAME_DEVICE if same else OTHER_DEVICE)

        store = SRStore(folder / "sr")
        stored = _stored(verdict, record, store, test_set)
        made = _made_again(verdict, record, method, data, store, device)
        _compare_weights(verdict, record, method, weights)
        if stored:
            pairs = {key: store.read(key) for key in made}
            findings, verdict.images = compare_images(pairs, made, verdict.tolerance)
            verdict.findings += findings
        else:
            pairs, verdict.images = made, {"images": len(made)}
        table = read_per_image(folder / "per_image.csv")
        verdict.findings += compare_means(record, table)
        if record.get("side_outputs"):
            verdict.notes.append("side outputs are not made again")
        everything = len(made) == len(test_set)
        compare_with_scores(verdict, record, table, data, pairs, device, everything)
        facts = {
            "when": began,
            "seconds": round(time.perf_counter() - clock, 3),
            "versions": package_versions(),
            "git": git_state(),
            "device": there,
        }
        entry = verdict.to_json(facts)
        with stop.writing():
            verified = [*(record.get("verified") or []), entry]
            write_record(folder / "result.json", {**record, "verified": verified})
    return verdict


def _stored(verdict: Verdict, record: Mapping[str, Any], store: SRStore, test_set: TestSet) -> bool:
    """Whether the run's SR images are there; they must hash to what the record says."""
    missing = [key for key in test_set.keys if not store.path(key).is_file()]
    if len(missing) == len(test_set) and verdict.same_device:
        verdict.notes.append("the run kept no SR images; those made again are scored instead")
        return False
    if len(missing) == len(test_set):
        raise DataError(
            f"{store.root} holds no SR images, and on another device than its own nothing else can be "
            "compared. Run the test stage with keep_sr=true, or verify where the run was made."
        )
    digest = store.hash(test_set.keys)
    verdict.sr_hash = digest == record["sr_hash"]
    if not verdict.sr_hash:
        verdict.findings.append(
            f"the stored SR images hash to {digest[:12]}, the record says {record['sr_hash'][:12]}"
        )
    if record["n_images"] != len(test_set):
        verdict.findings.append(
            f"the record counts {record['n_images']} images, the test set has {len(test_set)}"
        )
    return True


def _made_again(
    verdict: Verdict,
    record: Mapping[str, Any],
    method: Any,
    data: FaceSRDataModule,
    store: SRStore,
    device: torch.device,
) -> dict[str, UInt8Image]:
    whole = run_batches(record, data, store)
    batches = choose_batches(whole, verdict.share, verdict.seed, data.test_set.hash)
    made: dict[str, UInt8Image] = {}
    log.info("Making %d images again, seed %d.", sum(map(len, batches)), verdict.seed)
    with progress("super-resolve", sum(map(len, batches))) as bar:
        for images in images_again(method, record["config"], data.test_set, batches, device):
            made |= images
            bar.update(len(images))
    return made


def _compare_weights(
    verdict: Verdict, record: Mapping[str, Any], method: Any, weights: StartingWeights
) -> None:
    """The tensors themselves, and the files a test was given; pictures may hide a small change."""
    then = record.get("weights_hash")
    if then is None:
        verdict.notes.append("the record is older than weights_hash; the weights are not compared")
    else:
        same = hash_of_weights(method) == then
        verdict.weights = "equal" if same else "differ"
        said = "the weights are not those the run super-resolved with (weights_hash)"
        if not same and verdict.same_device:
            verdict.findings.append(said)
        elif not same:  # buffers may be computed, a last bit otherwise on another device
            verdict.notes.append(f"{said}, or were computed on another device")
    if record["config"]["stage"] == "test":
        verdict.findings += _other_files(record["weights"], weights.files)


def _other_files(then: Sequence[Mapping[str, str]], now: Sequence[Mapping[str, str]]) -> list[str]:
    known = {entry["sha256"] for entry in then}
    return [
        f"the weight file {entry['file']} has sha256 {entry['sha256'][:12]}, which the record does not "
        "name"
        for entry in now
        if entry["sha256"] not in known
    ]
