"""A second call: nothing to do, other wishes, another process, a changed file."""

from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from facesr_bench.errors import DataError
from facesr_bench.images import encode_png, read_rgb
from facesr_bench.prepare.__main__ import main
from prepare_lab import LOOK, interrupted, state


def test_a_second_call_changes_nothing(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lab.call()
    before = state(lab.out)
    capsys.readouterr()
    assert lab.call("--workers", "1") == 0
    assert f"{lab.out} is already prepared: 12 images" in capsys.readouterr().out
    assert state(lab.out) == before


def test_a_second_call_notices_what_is_missing(lab: Any) -> None:
    lab.call()
    (lab.out / "images/train/pr0_0.png").unlink()
    (lab.out / "images/train/pr0_1.png").write_bytes(b"short")
    with pytest.raises(DataError, match=r"(?s)pr0_0\.png is missing.*pr0_1\.png has 5 bytes, not"):
        lab.call()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--size", "8"], "size is 16 there and 8 here"),
        (["--set", "pad=2"], "pad is 0 there and 2 here"),
        (["--set", "lr_size=8"], "lr_size is not set there and 8 here"),
        (["--pack", "no"], "images are packed there and --pack no here"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_another_call_for_the_same_folder_is_refused(
    finished: bool, words: list[str], said: str, lab: Any
) -> None:
    if "--pack" in words and not finished:
        return  # packs do not exist yet, so nothing is in the way
    if finished:
        lab.call()
    else:
        interrupted(lab)
    before = state(lab.out)
    with pytest.raises(DataError, match=said):
        lab.call(*words)
    assert {k: v for k, v in state(lab.out).items() if k != ".lock"} == {
        k: v for k, v in before.items() if k != ".lock"
    }


def test_another_version_recipe_or_source_is_refused(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.call()
    with pytest.raises(DataError, match=r"recipe is lab there and stretched here"):
        lab.call(recipe="stretched")
    with pytest.raises(DataError, match=r"the sources are owner there and other here"):
        lab.call(source=LOOK.write(lab.root / "other", LOOK.faces()))
    monkeypatch.setattr("lab_faces.Lab.version", 2)
    with pytest.raises(DataError, match="version is 1 there and 2 here"):
        lab.call()


def test_two_processes_cannot_share_a_folder(lab: Any) -> None:
    lab.out.mkdir()
    with (
        FileLock(lab.out / ".lock"),
        pytest.raises(DataError, match="Another process is preparing"),
    ):
        lab.call()
    assert lab.call() == 0


def test_a_folder_with_other_files_or_inside_the_source_is_refused(lab: Any) -> None:
    LOOK.write(lab.out, {"thesis.tex": b"mine"})
    with pytest.raises(DataError, match=r"holds other files \(thesis\.tex\)"):
        lab.call()
    assert (lab.out / "thesis.tex").read_bytes() == b"mine"
    with pytest.raises(DataError, match="lies inside the source"):
        lab.call(to=lab.src / "prepared")
    assert not (lab.src / "prepared").exists()


def test_verify_names_every_changed_missing_and_stray_file(lab: Any) -> None:
    lab.call()
    assert main(["--verify", str(lab.out)]) == 0
    path = lab.out / "images/train/pr0_0.png"
    content = path.read_bytes()
    picture = read_rgb(path).copy()
    picture[3, 3, 0] ^= 1
    changed = encode_png(picture, compress_level=9)
    assert len(changed) <= len(content)
    path.write_bytes(changed.ljust(len(content), b"\0"))  # same length: only the hash can tell
    (lab.out / "images/train/stray.png").write_bytes(content)
    pack = np.load(lab.out / "pack.npy", mmap_mode="r+")
    pack[-1, 0, 0, 0] ^= 1
    pack.flush()
    with pytest.raises(DataError) as caught:
        main(["--verify", str(lab.out)])
    text = str(caught.value)
    assert "pr0_0.png is not the image that was prepared" in text
    assert "stray.png is in no row" in text
    assert "pack.npy differs from train/pr3_7.png" in text
    assert text.count("\n  ") == 3
    np.save(lab.out / "pack.npy", np.zeros((11, 16, 16, 3), np.uint8))
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=r"pack\.npy holds uint8 \(11, 16, 16, 3\), but the manifest"
    ):
        main(["--verify", str(lab.out)])
    with pytest.raises(DataError, match=r"holds no prepared data"):
        main(["--verify", str(lab.src)])


def test_verify_looks_at_borders_too(lab: Any) -> None:
    lab.call("--set", "pad=4")
    key = sorted(p.relative_to(lab.out / "border").as_posix() for p in lab.out.rglob("border/*/*"))[
        0
    ]
    path = lab.out / "border" / key
    picture = read_rgb(path).copy()
    picture[3, 3, 0] ^= 1
    path.write_bytes(encode_png(picture))
    pack = np.load(lab.out / "border.npy", mmap_mode="r+")
    pack[-1, 0, 0, 0] ^= 1
    pack.flush()
    with pytest.raises(DataError) as caught:
        main(["--verify", str(lab.out)])
    text = str(caught.value)
    assert text.count("\n  ") == 2
    assert f"border/{key} is not the image that was prepared" in text.replace("\\", "/")
    assert "border.npy differs from train/pr3_7.png" in text
