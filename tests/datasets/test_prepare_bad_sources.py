"""Sources that cannot be used: named together, before or while images are made."""

from typing import Any

import pytest

from facesr_bench.errors import DataError
from facesr_bench.prepare.checks import check_plan
from prepare_lab import LOOK, facts, raws, rows


def bomb() -> bytes:
    """A PNG that claims 60,000 x 60,000 pixels."""
    import struct
    import zlib

    head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + chunk + LOOK.encode(LOOK.face(0))[33:]


def test_bad_images_are_named_together_or_left_out(
    lab: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    good = LOOK.faces()
    bad = {
        "train/x_1.png": good["train/pr0_0.png"][:200],
        "train/x_2.png": b"<html><body>quota exceeded",
        "train/x_3.png": b"no image at all",
        "train/x_4.png": bomb(),
        "train/x_5.png": LOOK.encode(LOOK.face(0, 30, 40)),
        "train/x_6.png": LOOK.encode(LOOK.face(0, 15, 15)),
        "train/x_7.png": b"",
    }
    LOOK.write(lab.src, bad)
    with pytest.raises(DataError) as caught:
        lab.call()
    text = str(caught.value)
    assert text.startswith("7 of 19 images cannot be used:")
    for name in bad:
        assert f"owner/{name}" in text
    for reason in ("web page", "cannot be decoded", "too large", "40x30 pixels, not square",
                   "15x15 pixels, fewer than 16x16", "is empty", "--on-error skip"):  # fmt: skip
        assert reason in text
    assert not (lab.out / "manifest.parquet").exists()
    assert lab.call("--on-error", "skip") == 0
    assert len(rows(lab.out)) == 12
    assert [p["key"] for p in facts(lab.out)["left_out"]] == sorted(bad)
    assert "7 in all" in capsys.readouterr().out
    assert lab.call("--on-error", "skip") == 0
    assert "already prepared" in capsys.readouterr().out
    with pytest.raises(DataError, match="7 bad images were left out there"):
        lab.call()


def test_it_stops_after_twenty_and_says_so(lab: Any) -> None:
    many = LOOK.write(lab.root / "many", LOOK.faces(train=60, test=0, side=10))
    with pytest.raises(
        DataError, match=r"(20|2\d) of \d+ images cannot .*stopped there, after"
    ) as caught:
        lab.call(source=many)
    assert str(caught.value).count("\n  many/train") == 20


def test_all_bad_is_no_data_set(lab: Any) -> None:
    small = LOOK.write(lab.root / "small", LOOK.faces(side=10))
    with pytest.raises(DataError, match="None of the 12 images can be used"):
        lab.call("--on-error", "skip", source=small)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["a.png", "a.png"], "appears twice"),
        (["A/b.png", "a/B.png"], "only in case"),
        (["../a.png"], "not a relative POSIX path"),
        (["/a.png"], "not a relative POSIX path"),
        (["a.png", "A.PNG/b.png"], "needs a folder where another key is a file"),
        ([], "found no image"),
    ],
)
def test_keys_that_cannot_all_be_files_are_refused(keys: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        check_plan(raws(*keys), "lab")


def test_a_duplicate_key_stops_before_any_image_is_read(lab: Any) -> None:
    LOOK.write(lab.src, {"test/pr0_0.png": b"never opened"})
    with pytest.raises(DataError, match=r"'pr0_0\.png' appears twice"):
        lab.call("--set", "flat=true")
    assert not (lab.out / "images").exists()


def test_a_refused_plan_leaves_no_folder(lab: Any) -> None:
    empty = LOOK.write(lab.root / "none", {"list.txt": b""})
    for _ in range(2):
        with pytest.raises(DataError, match="found no image"):
            lab.call(source=empty)
        assert not lab.out.exists()
    lab.out.mkdir()
    with pytest.raises(DataError, match="found no image"):
        lab.call(source=empty)
    assert lab.out.is_dir()  # it was there before
