"""Landmarks the owner does not give: YuNet looks for them in the prepared HR images."""

from typing import Any

import numpy as np
import pytest

from facesr_bench.errors import FaceSRError, MissingRequirement
from prepare_lab import LOOK, facts, full, prepared_files, rows, state


def test_without_yunet_the_summary_says_what_is_missing(lab: Any) -> None:
    lab.call("--set", "points=false")
    assert {row["landmarks_from"] for row in rows(lab.out)} == {None}
    note = facts(lab.out)["notes"][-1]
    assert "12 HR images have no landmarks" in note and "facesr-bench weights import" in note


def test_yunet_looks_once_at_prepared_hr_only(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from facesr_bench.faces import yunet

    LOOK.write(lab.src, LOOK.faces(low=2))
    looked: list[tuple[int, ...]] = []

    def find(images: Any, detector: Any) -> list[Any]:
        looked.extend(image.shape for image in images)
        bright = images[0].mean() > 127
        return [np.full((5, 2), 3.5, np.float32) if bright else None]

    monkeypatch.setattr(yunet, "YuNet", object)
    monkeypatch.setattr(yunet, "find_landmarks", find)
    lab.call("--set", "points=false")
    assert looked == [(16, 16, 3)] * 12
    found = [row for row in rows(lab.out) if row["landmarks_from"] == "yunet"]
    assert 0 < len(found) < 12
    assert all(row["landmarks"] == [3.5] * 10 and row["role"] == "hr" for row in found)
    assert f"YuNet found landmarks in {len(found)} of 12" in facts(lab.out)["notes"][-1]
    lab.call("--set", "points=false", "--landmarks", "no", to=lab.root / "no")
    lab.call(to=lab.root / "given")  # the owner's are kept
    assert len(looked) == 12


def test_landmarks_are_added_to_a_finished_folder_once_yunet_is_here(
    lab: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from facesr_bench.faces import yunet
    from facesr_bench.prepare import completing

    LOOK.write(lab.src, LOOK.faces(low=2))
    words = ("--set", "points=false")
    lab.call(*words)
    before = state(lab.out)
    lab.call(*words)
    assert state(lab.out) == before  # still without YuNet
    looked: list[int] = []

    def find(images: Any, detector: Any) -> list[Any]:
        looked.append(len(images))
        return [np.full((5, 2), 3.5, np.float32) if images[0].mean() > 127 else None]

    monkeypatch.setattr(yunet, "YuNet", object)
    monkeypatch.setattr(yunet, "find_landmarks", find)
    lab.call(*words, "--landmarks", "no")
    assert not looked
    capsys.readouterr()
    with monkeypatch.context() as patch:  # between the two tables
        patch.setattr(completing, "write_atomically", full)
        with pytest.raises(FaceSRError, match="the same command goes on"):
            lab.call(*words)
    lab.call(*words)
    assert "14 images, YuNet found landmarks in" in capsys.readouterr().out
    lab.call(*words)
    assert len(looked) == 12  # once, whether or not there was a face
    lab.call(*words, to=lab.root / "whole")
    assert prepared_files(lab.out) == prepared_files(lab.root / "whole")
    after = state(lab.out)
    assert all(after[name] == before[name] for name in before if name.startswith("images/"))


def test_landmarks_are_looked_for_again_in_an_image_made_again(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facesr_bench.faces import yunet
    from facesr_bench.prepare import writer

    def find(images: Any, detector: Any) -> list[Any]:
        return [np.full((5, 2), images[0].mean(), np.float32)]

    monkeypatch.setattr(yunet, "YuNet", object)
    monkeypatch.setattr(yunet, "find_landmarks", find)
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_write_packs", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            lab.call("--set", "points=false")
    LOOK.write(lab.src, {"train/pr0_0.png": LOOK.encode(LOOK.face(33))})
    lab.call("--set", "points=false")
    lab.call("--set", "points=false", to=lab.root / "whole")
    assert rows(lab.out) == rows(lab.root / "whole")


def test_yunet_goes_missing_is_no_error(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from facesr_bench.faces import yunet

    def missing() -> None:
        raise MissingRequirement("weights 'yunet' are missing")

    monkeypatch.setattr(yunet, "YuNet", missing)
    assert lab.call("--set", "points=false") == 0
