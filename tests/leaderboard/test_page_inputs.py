"""HR and LR on a page: rebuilt where the data is at hand, refused where they are others, or foreign."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesr_bench.evaluate.__main__ import main as evaluate
from facesr_bench.images import encode_png, read_rgb
from facesr_bench.leaderboard.page.inputs import NoInputs, find_inputs
from facesr_bench.leaderboard.page.runs import read_runs
from facesr_bench.leaderboard.page.site import write_site
from facesr_bench.leaderboard.records import find_records
from facesr_bench.results import read_record, write_record


def inputs_of(runs: Path) -> Any:
    return find_inputs(read_runs(find_records([runs]).records))


def pictures_of(runs: Path, out: Path) -> dict[str, Any]:
    write_site(find_records([runs]), out, 1)
    content = (out / "index.html").read_text()
    embedded = content.split('id="data">')[1].split("</script>")[0]
    pictures: dict[str, Any] = json.loads(embedded)["pictures"]
    return pictures


def test_hr_and_lr_are_those_of_the_protocol(with_hr: Path, tmp_path: Path, made_up: Any) -> None:
    pictures = pictures_of(with_hr, tmp_path / "out")
    numbers = {key: number for number, key in enumerate(made_up.keys_of(8))}
    for place, key in enumerate(pictures["keys"]):
        hr = read_rgb(tmp_path / "out" / pictures["files"]["hr"][place])
        assert np.array_equal(hr, made_up.face(numbers[key], 16))
        assert read_rgb(tmp_path / "out" / pictures["files"]["lr"][place]).shape == (4, 4, 3)
        sr = read_rgb(tmp_path / "out" / pictures["files"]["1"][place])
        assert np.array_equal(sr, made_up.face(numbers[key], 16, shift=4.0))
    assert pictures["files"]["2"] == [None] * len(pictures["keys"])
    assert len(pictures["notes"]) == 1  # the third run kept no images


def test_other_images_of_the_same_name_are_refused(with_hr: Path, made_up: Any) -> None:
    path = with_hr.parent / "hr" / "0000" / "0.png"
    before = path.read_bytes()
    try:
        path.write_bytes(encode_png(made_up.face(99, 16)))
        found = inputs_of(with_hr)
    finally:
        path.write_bytes(before)
    assert isinstance(found, NoInputs)
    assert "other images, which are not shown in their place" in found.reason


@pytest.mark.parametrize("where", ["data", "source", "list"])
def test_no_code_that_a_record_names_is_run(where: str, with_hr: Path, tmp_path: Path) -> None:
    record = read_record(with_hr / "0" / "result.json")
    evil = {"_target_": "pathlib.Path.touch", "self": str(tmp_path / "ran")}
    data = record["config"]["data"]
    if where == "data":
        data |= evil
    else:
        data["source"]["root"] = evil if where == "source" else [[evil]]
    (tmp_path / "run").mkdir()
    write_record(tmp_path / "run" / "result.json", record)
    found = inputs_of(tmp_path)
    assert isinstance(found, NoInputs)
    assert "pathlib.Path.touch, which is not part of facesr-bench" in found.reason
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hr_size": "wide"}, "Cannot build the data"),
        ({"source": None}, "AttributeError: 'NoneType'"),
        ({"factor": 3}, "factor"),
    ],
)
def test_any_failure_of_the_data_is_a_sentence(
    change: dict[str, Any], said: str, with_hr: Path, tmp_path: Path
) -> None:
    record = read_record(with_hr / "0" / "result.json")
    (tmp_path / "run").mkdir()
    content = record | {"config": {"data": record["config"]["data"] | change}}
    write_record(tmp_path / "run" / "result.json", content)
    found = inputs_of(tmp_path)
    assert isinstance(found, NoInputs)
    head, why = found.reason.split("so only SR is shown. ")
    assert head == "HR and LR images are not at hand here, "
    assert said in why
    assert "\n" not in why
    assert "Traceback" not in why


def test_folders_that_were_scored_are_shown_while_they_hold_the_same(
    made_up: Any, tmp_path: Path
) -> None:
    for side, shift in (("sr", 4.0), ("hr", 0.0)):
        (tmp_path / side).mkdir()
        for number in range(4):
            image = made_up.face(number, 16, shift)
            (tmp_path / side / f"{number}.png").write_bytes(encode_png(image))
    folders = [str(tmp_path / "sr"), "--hr", str(tmp_path / "hr"), "--metrics", "psnr_rgb"]
    assert evaluate([*folders, "--out", str(tmp_path / "runs" / "a")]) == 0
    pictures = pictures_of(tmp_path / "runs", tmp_path / "first")
    assert pictures["notes"] == []
    assert all(pictures["files"]["hr"]) and all(pictures["files"]["0"])
    (tmp_path / "sr" / "3.png").write_bytes(encode_png(made_up.face(3, 16)))
    pictures = pictures_of(tmp_path / "runs", tmp_path / "second")
    assert not any(pictures["files"]["0"])
    assert "holds other images now" in pictures["notes"][0]
    (tmp_path / "hr" / "3.png").write_bytes(encode_png(made_up.face(2, 16)))
    assert "hr" not in pictures_of(tmp_path / "runs", tmp_path / "third")["files"]
