"""Every reason not to hand a run in, on a small record made by hand that has none of them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesr_bench.errors import DataError
from facesr_bench.metrics.scores import write_per_image
from facesr_bench.results import write_record
from facesr_bench.store import SRStore
from facesr_bench.submit.checking import absolute_paths, further_marks, problems_of
from facesr_bench.submit.packing import pack
from leaderboard.made_records import metric, wider

KEYS = ("a.png", "b.png")
VERSIONS = ("python", "facesr-bench", "torch", "numpy", "pillow")
WEIGHTS = {"file": "a.ckpt", "role": "init", "sha256": "3" * 64}
GOOD, BAD = {"verdict": "verified"}, {"verdict": "differs", "findings": ["a weight", "a pixel"]}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that nothing is wrong with."""
    folder = tmp_path / "run"
    store = SRStore(folder / "sr")
    store.write(KEYS, np.zeros((2, 4, 4, 3), np.uint8))
    write_per_image(folder / "per_image.csv", {"psnr": {"a.png": 20.0, "b.png": 22.0}})
    record = wider(
        n_images=2, metrics={"psnr": metric(21.0, higher=True, n=2, per_image=True)},
        lr_hash="1" * 64, sr_hash=store.hash(KEYS), weights=[WEIGHTS], device={"type": "cpu"},
        versions=dict.fromkeys(VERSIONS, "1"), git={"commit": None}, seconds=1.0,
    )  # fmt: skip
    write_record(folder / "result.json", record)
    return folder


def change(run: Path, **entries: Any) -> None:
    record = json.loads((run / "result.json").read_text()) | entries
    (run / "result.json").write_text(json.dumps(record))


def table(run: Path, text: str) -> None:
    (run / "per_image.csv").write_text(text)


def without(version: str) -> dict[str, str]:
    return {name: "1" for name in VERSIONS if name != version}


def protocol(**changes: Any) -> Callable[[Path], None]:
    known = {"name": "scgan_widerface", "version": 1, "hash": "a" * 64}
    return lambda run: change(run, protocol=known | changes)


def of_psnr(**changes: Any) -> Callable[[Path], None]:
    entry = metric(21.0, higher=True, n=2, per_image=True) | changes
    return lambda run: change(run, metrics={"psnr": entry})


def other_image(run: Path) -> None:
    SRStore(run / "sr").write(KEYS[1:], np.ones((1, 4, 4, 3), np.uint8))


LIARS: dict[str, tuple[Callable[[Path], None], str]] = {
    "schema": (lambda run: change(run, schema=0), "its schema is 0"),
    "protocol hash too short": (protocol(hash="a" * 63), "its protocol has no name, whole"),
    "protocol hash too long": (protocol(hash="a" * 65), "its protocol has no name, whole"),
    "protocol hash no sha256": (protocol(hash="g" * 64), "its protocol has no name, whole"),
    "lr_hash": (lambda run: change(run, lr_hash="1" * 63), "lr_hash is no sha256"),
    "weights": (lambda r: change(r, weights=[WEIGHTS, {"file": "x"}]), "weight file x has no sha"),
    "weights' hash": (
        lambda run: change(run, weights=[WEIGHTS | {"sha256": "3" * 12}]), "a.ckpt has no sha256",
    ),
    **{
        f"version of {name}": (lambda run, n=name: change(run, versions=without(n)),
                               f"versions lacks {name}")
        for name in VERSIONS
    },
    "version empty": (
        lambda run: change(run, versions=without("torch") | {"torch": ""}), "versions lacks torch",
    ),
    "device": (lambda run: change(run, device={"name": "x"}), "on which device it ran"),
    "no metric": (lambda run: change(run, metrics={}), "it holds no metric"),
    "smoke": (lambda run: change(run, scale="smoke"), "it is of a smoke budget"),
    "verified, then not": (
        lambda run: change(run, verified=[GOOD, BAD]), "verified and differs: a weight; a pixel",
    ),
    "count": (lambda run: change(run, n_images=3), "counts 3 images, per_image.csv has 2 rows"),
    "mean": (of_psnr(value=21.1), "averages to 21 over 2"),
    "n": (of_psnr(n=3), "averages to 21 over 2"),
    "image": (other_image, "its SR images hash to"),
    "image gone": (lambda run: (run / "sr" / "b.png.png").unlink(), "lacks the SR images of 1 of 2"),
    "images gone": (lambda run: shutil.rmtree(run / "sr"), "its SR images are gone"),
    "sr_hash": (lambda run: change(run, sr_hash="4" * 64), "the record says 444444444444"),
    "no table": (lambda run: (run / "per_image.csv").unlink(), "cannot be read"),
    "table of another kind": (lambda run: table(run, "name,x\na,1\n"), "first column must be 'key'"),
}  # fmt: skip
"""Each change of the sound run, and what is said of it: that, and nothing else."""

TRUTHS: dict[str, Callable[[Path], None]] = {
    "as it is": lambda run: None,
    "not verified": lambda run: change(run, verified=None),
    "verified": lambda run: change(run, verified=[GOOD]),
    "verified again": lambda run: change(run, verified=[BAD, GOOD]),
    "without weights": lambda run: change(run, weights=[]),
    "without SR in the table's order": lambda run: table(
        run, "key,identity,psnr\nb.png,,22.0\na.png,,20.0\n"
    ),
    "a mean of sets": of_psnr(value=3.0, per_image=False),
}


@pytest.mark.parametrize("liar", LIARS)
def test_a_liar_is_told_by_one_sentence(liar: str, run: Path) -> None:
    spoil, said = LIARS[liar]
    spoil(run)
    _, problems = problems_of(run)
    assert len(problems) == 1, problems
    assert said in problems[0]


@pytest.mark.parametrize("truth", TRUTHS)
def test_what_is_true_goes_in(truth: str, run: Path) -> None:
    TRUTHS[truth](run)
    record, problems = problems_of(run)
    assert problems == []
    assert record == json.loads((run / "result.json").read_text())


def test_all_reasons_are_told_at_once(run: Path) -> None:
    change(run, scale="smoke", verified=[BAD], lr_hash="", n_images=3)
    other_image(run)
    assert len(problems_of(run)[1]) == 5
    assert len(problems_of(run, smoke_marked=True)[1]) == 4


def test_a_smoke_budget_goes_in_where_it_will_be_marked(run: Path) -> None:
    change(run, scale="smoke")
    assert problems_of(run, smoke_marked=True)[1] == []


def test_no_record_is_no_list_of_reasons(run: Path) -> None:
    (run / "result.json").unlink()
    with pytest.raises(DataError, match="the run is not finished"):
        problems_of(run)


def test_marks_that_matter_only_where_a_record_is_handed_in() -> None:
    stand_in = metric(1.0, settings={"stand_in": True})
    assert further_marks(wider(git=None)) == []
    assert further_marks(wider(git={"dirty": False})) == []
    assert [mark.text for mark in further_marks(wider(git={"dirty": True}))] == ["changed checkout"]
    (mark,) = further_marks(wider(metrics={"psnr": metric(1), "fid": stand_in}))
    assert (mark.text, mark.why) == ("stand-ins", "no results, and in no table: fid")


def test_paths_of_the_machine_are_told_by_their_key(tmp_path: Path) -> None:
    here = str(tmp_path)
    config = {"data": {"root": here, "name": "a/b"}, "lists": [here, {"deep": here}], "n": 3}
    assert absolute_paths({"config": config}) == ["data.root", "lists", "lists.deep"]


def test_another_submission_is_not_overwritten(run: Path, tmp_path: Path) -> None:
    record = problems_of(run)[0]
    folder = pack(run, record, tmp_path / "out", with_sr=False, grid=False)
    assert pack(run, record, tmp_path / "out", with_sr=False, grid=False) == folder
    other = record | {"sr_hash": record["sr_hash"][:8] + "0" * 56}  # its folder has the same name
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(DataError, match="holds another submission"):
        pack(run, other, tmp_path / "out", with_sr=False, grid=False)
    assert (folder / "manifest.json").read_bytes() == before
    with pytest.raises(DataError, match="pack without it by --no-grid"):
        pack(run, record, tmp_path / "out", with_sr=False, grid=True)
