"""What ``facesr-bench verify`` decides of weights, batches and stored images, and its verdict."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from torch import nn

from facesr_bench.attempt import hash_of_weights
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.errors import DataError
from facesr_bench.starting_weights import StartingWeights
from facesr_bench.store import SRStore
from facesr_bench.verify.comparing import OTHER_DEVICE, SAME_DEVICE
from facesr_bench.verify.rerun import (
    choose_batches,
    refuse_absent_weights,
    refuse_what_has_no_method,
    run_batches,
    settings_of_weights,
)
from facesr_bench.verify.scores import _measured
from facesr_bench.verify.story import _compare_weights, _stored
from facesr_bench.verify.verdict import Verdict

# -- weights -------------------------------------------------------------------------------------


class OneLayer(nn.Linear):
    def inference_modules(self) -> list[nn.Module]:
        return [self]


def weights_verdict(tolerance: Any = SAME_DEVICE, files: Any = (), **record: Any) -> Verdict:
    """What is said of a layer whose record is right but for ``record``."""
    method = OneLayer(2, 2)
    verdict = Verdict(1.0, 0, tolerance)
    facts = {"weights_hash": hash_of_weights(method), "config": {"stage": "test"}}  # type: ignore[arg-type]
    known = [{"file": "a.ckpt", "sha256": "1" * 64}, {"file": "b.ckpt", "sha256": "2" * 64}]
    read = StartingWeights("weights from a file", list(files), None)
    _compare_weights(verdict, {**facts, "weights": known, **record}, method, read)
    return verdict


def test_equal_weights() -> None:
    verdict = weights_verdict(files=[{"file": "moved.ckpt", "sha256": "2" * 64}])
    assert (verdict.weights, verdict.findings, verdict.notes) == ("equal", [], [])


def test_other_tensors_are_a_finding_on_the_same_device_and_a_note_elsewhere() -> None:
    verdict = weights_verdict(weights_hash="0" * 64)
    assert (verdict.weights, verdict.notes) == ("differ", [])
    assert "(weights_hash)" in verdict.findings[0]
    verdict = weights_verdict(OTHER_DEVICE, weights_hash="0" * 64)
    assert (verdict.weights, verdict.findings) == ("differ", [])
    assert "computed on another device" in verdict.notes[0]


def test_a_record_without_weights_hash_is_told() -> None:
    verdict = weights_verdict(weights_hash=None)
    assert (verdict.weights, verdict.findings) == ("not recorded", [])
    assert "older than weights_hash" in verdict.notes[0]


def test_a_weight_file_of_a_test_stage_must_be_one_the_record_names() -> None:
    other = [{"file": "a.ckpt", "sha256": "1" * 64}, {"file": "b.ckpt", "sha256": "3" * 64}]
    verdict = weights_verdict(files=other)
    assert verdict.findings == [
        f"the weight file b.ckpt has sha256 {'3' * 12}, which the record does not name"
    ]
    # A run that trained names what it began with, not the checkpoint it left.
    assert weights_verdict(files=other, config={"stage": "train"}).findings == []


# -- what is made again --------------------------------------------------------------------------


def data_of(images: int) -> Any:
    data = SimpleNamespace(test_set=range(images), test_batch_size=4)
    data.test_batches = lambda *a: FaceSRDataModule.test_batches(data, *a)  # type: ignore[arg-type]
    return data


def test_images_of_several_processes_are_made_again_in_the_batches_of_each(tmp_path: Path) -> None:
    for rank in range(3):
        (tmp_path / f".made_by.{rank}.json").touch()
    (tmp_path / "a.png").touch()
    store = SRStore(tmp_path)
    found = run_batches({"cost": {"batch": 2}}, data_of(10), store)
    assert found == [[0, 3], [6, 9], [1, 4], [7], [2, 5], [8]]
    assert run_batches({"cost": {}}, data_of(6), store) == [[0, 3], [1, 4], [2, 5]]


def test_images_of_one_process_or_of_nobody_known_are_its_batches(tmp_path: Path) -> None:
    store = SRStore(tmp_path)
    expected = [[0, 1, 2, 3], [4, 5]]
    assert run_batches({"cost": {"batch": None}}, data_of(6), store) == expected
    (tmp_path / ".made_by.0.json").touch()
    assert run_batches({"cost": {"batch": 4}}, data_of(6), store) == expected


def test_a_choice_is_whole_batches_for_at_least_the_share() -> None:
    batches = [[n, n + 1] for n in range(0, 20, 2)]
    for share, count in ((0.01, 1), (0.1, 1), (0.101, 2), (0.5, 5), (0.95, 10), (1.0, 10)):
        chosen = choose_batches(batches, share, 3, "h")
        assert len(chosen) == count
        assert all(batch in batches for batch in chosen)
        assert len({tuple(batch) for batch in chosen}) == count
    assert choose_batches(batches, 0.5, 3, "h") == choose_batches(batches, 0.5, 3, "h")
    others = [choose_batches(batches, 0.5, *of) for of in ((4, "h"), (3, "i"))]
    assert all(other != choose_batches(batches, 0.5, 3, "h") for other in others)


ASKED = {"stage": "train", "ckpt": "r.ckpt", "init": "i.ckpt", "seed": 1}


@pytest.mark.parametrize(
    ("stage", "trainable", "weights", "changed"),
    [
        ("test", True, None, {}),
        ("train", False, None, {}),
        ("train", True, None, {"ckpt": str(Path("run/checkpoints/last.ckpt")), "init": None}),
        ("all", True, None, {"ckpt": str(Path("run/checkpoints/last.ckpt")), "init": None}),
        ("test", True, "w.ckpt", {"ckpt": "w.ckpt", "init": None}),
        ("train", True, "w.ckpt", {"ckpt": "w.ckpt", "init": None}),
        ("train", False, "w.ckpt", {"ckpt": "w.ckpt", "init": None}),
    ],
)
def test_which_weights_are_asked_for(
    stage: str, trainable: bool, weights: str | None, changed: dict[str, Any]
) -> None:
    settings = {**ASKED, "stage": stage}
    found = settings_of_weights(settings, Path("run"), trainable, weights and Path(weights))
    assert found == settings | ({"stage": "test"} if changed else {}) | changed
    assert settings == {**ASKED, "stage": stage}


def test_weights_that_were_a_file_must_be_there(tmp_path: Path) -> None:
    here, gone = tmp_path / "here.ckpt", str(tmp_path / "gone.ckpt")
    here.touch()
    for asked in ((None, None), (str(here), None), (None, str(here)), (str(here), gone)):
        refuse_absent_weights(dict(zip(("ckpt", "init"), asked, strict=True)), Path("run"))
    for asked in ((gone, None), (None, gone)):
        with pytest.raises(DataError, match="Say where they are with --weights"):
            refuse_absent_weights(dict(zip(("ckpt", "init"), asked, strict=True)), Path("run"))


@pytest.mark.parametrize(
    ("origin", "config", "said"),
    [
        ("trained here", {"stage": "test", "method": {}}, None),
        ("images from elsewhere", {"stage": "test", "method": {}}, "images from elsewhere"),
        ("trained here", {"command": "evaluate", "method": {}}, "images from elsewhere"),
        ("trained here", {"stage": "test"}, "images from elsewhere"),
        ("trained here", {"stage": "adapt", "method": {}}, "an adaptation protocol"),
    ],
)
def test_what_has_no_method_is_refused(
    origin: str, config: dict[str, Any], said: str | None
) -> None:
    record = {"origin": origin, "config": config}
    if said is None:
        refuse_what_has_no_method(record, Path("run"))
        return
    with pytest.raises(DataError, match=said):
        refuse_what_has_no_method(record, Path("run"))


# -- stored images -------------------------------------------------------------------------------

KEYS = ("a.png", "b.png")


class Keys(SimpleNamespace):
    """As much of a test set as is looked at."""

    keys = KEYS

    def __len__(self) -> int:
        return len(self.keys)


def stored(folder: Path, tolerance: Any = SAME_DEVICE, **record: Any) -> tuple[bool, Verdict]:
    store, verdict = SRStore(folder), Verdict(1.0, 0, tolerance)
    digest = "0" * 64 if len(list(folder.glob("*"))) < 2 else store.hash(KEYS)
    found = _stored(verdict, {"sr_hash": digest, "n_images": 2} | record, store, Keys())  # type: ignore[arg-type]
    return found, verdict


def test_stored_images_are_hashed_and_counted(tmp_path: Path) -> None:
    SRStore(tmp_path).write(KEYS, np.zeros((2, 4, 4, 3), np.uint8))
    found, verdict = stored(tmp_path)
    assert (found, verdict.sr_hash, verdict.findings, verdict.notes) == (True, True, [], [])
    found, verdict = stored(tmp_path, sr_hash="1" * 64)
    assert (found, verdict.sr_hash) == (True, False)
    assert f"the record says {'1' * 12}" in verdict.findings[0]
    found, verdict = stored(tmp_path, n_images=3)
    assert (found, verdict.sr_hash) == (True, True)
    assert verdict.findings == ["the record counts 3 images, the test set has 2"]


def test_images_that_were_not_kept(tmp_path: Path) -> None:
    found, verdict = stored(tmp_path)
    assert (found, verdict.sr_hash, verdict.findings) == (False, None, [])
    assert "kept no SR images" in verdict.notes[0]
    with pytest.raises(DataError, match="holds no SR images, and on another device"):
        stored(tmp_path, OTHER_DEVICE)
    SRStore(tmp_path).write(KEYS[:1], np.zeros((1, 4, 4, 3), np.uint8))
    with pytest.raises(DataError, match="lacks the SR images of 1 of 2 keys"):
        stored(tmp_path)


# -- what is measured again, and the verdict -----------------------------------------------------


def test_measures_are_those_of_the_run_and_of_whoever_scored_it_again() -> None:
    config = {"metrics": {"only": ["fid"], "measures": {"fid": 1, "psnr": 1}}}
    once = _measured({"config": config})
    assert once == {"only": ["fid"], "measures": {"fid": 1, "psnr": 1}, "on_missing": "skip"}
    notes = [{"config": {"metrics": {"measures": more}}} for more in ({"fid": 2, "kid": 2}, None)]
    again = _measured({"config": config, "rescored": notes})
    assert again["measures"] == {"fid": 1, "psnr": 1, "kid": 2}  # the run's own word goes first
    assert again["only"] is None
    assert _measured({"config": {"metrics": {"measures": None}}})["measures"] == {}


def test_a_verdict_is_what_its_findings_and_its_tolerance_say() -> None:
    good = Verdict(0.05, 7, SAME_DEVICE, images={"images": 3}, notes=["n"])
    bad = Verdict(0.05, 7, OTHER_DEVICE, findings=["f"], images={"images": 3})
    assert (good.holds, good.same_device, bad.holds, bad.same_device) == (True, True, False, False)
    assert [v.to_json({})["verdict"] for v in (good, bad)] == ["verified", "differs"]
    assert [v.to_json({})["same_device"] for v in (good, bad)] == [True, False]
    assert good.text() == "verified: 3 images made again, equal to the bit (seed 7)\n  note: n"
    assert bad.text() == "DIFFERS (3 images made again, seed 7):\n  - f"
    elsewhere = Verdict(1.0, 7, OTHER_DEVICE, images={"images": 3}).text()
    assert "equal within the tolerance between devices" in elsewhere
