"""What prepare writes: the pixels, the tables, the pack; what it notes of archives."""

import hashlib
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesr_bench.errors import DataError
from facesr_bench.images import hash_images, read_rgb
from facesr_bench.prepare.__main__ import main
from facesr_bench.prepare.packing import Pack, write_pack
from facesr_bench.prepare.recipe import Raw
from facesr_bench.prepare.rendering import Target, check_border, render, scale_points
from facesr_bench.prepare.working import _as_done
from prepare_lab import LOOK, facts, raws, rows


def test_images_tables_pack_and_sheet(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.call() == 0
    found = rows(lab.out)
    assert [row["key"] for row in found] == sorted(LOOK.faces())
    pack = np.load(lab.out / "pack.npy", mmap_mode="r")
    assert pack.shape == (12, 16, 16, 3) and pack.dtype == np.uint8
    for number, row in enumerate(found):
        original = read_rgb(lab.src / row["key"])
        expected = np.asarray(Image.fromarray(original).resize((16, 16), Image.Resampling.BICUBIC))
        image = read_rgb(lab.out / "images" / row["key"])
        np.testing.assert_array_equal(image, expected)
        np.testing.assert_array_equal(pack[number], expected)
        assert row["sha256"] == hash_images([(row["key"], expected)])
        assert (row["height"], row["width"], row["role"]) == (16, 16, "hr")
        assert row["bytes"] == (lab.out / "images" / row["key"]).stat().st_size
        assert row["split"] == row["key"].split("/")[0]
        assert row["source"] == f"owner/{row['key']}"
        assert row["key"].split("/")[1].startswith(row["identity"] + "_")
        assert dict(row["attributes"])["number"] == float(row["key"].split("_")[1][:-4])
        assert row["landmarks_from"] == "owner" and row["border"] is None
    # (10 + .5) * 16/40 - .5, (12 + .5) * 16/40 - .5
    assert found[0]["landmarks"][:2] == pytest.approx([3.7, 4.5])
    content = facts(lab.out)
    assert content["counts"]["splits"] == {"test": {"hr": 4}, "train": {"hr": 8}}
    assert content["counts"]["people"] == 6 and content["counts"]["landmarks"] == {"owner": 12}
    assert content["arguments"] == {"pad": 0, "slow": 0.0, "points": True}
    assert (content["recipe"], content["version"], content["size"]) == ("lab", 1, 16)
    assert content["notes"] == ["12 files were looked at."] and content["left_out"] == []
    assert content["sources"][0]["files"] == 12 and content["versions"]["pillow"]
    with Image.open(lab.out / "contact_sheet.png") as sheet:
        assert sheet.size[0] > 1000
        green = np.all(np.asarray(sheet) == (0, 255, 0), axis=2).sum()
    assert green > 12 * 5 * 4  # landmarks are drawn
    assert not (lab.out / ".work").exists()
    said = capsys.readouterr().out
    assert "8 HR" in said and "6 in 12 images" in said and "contact_sheet.png" in said


def test_images_come_in_the_order_of_their_keys_whatever_the_plans(lab: Any) -> None:
    plugin = lab.root / "lab_faces.py"
    text = plugin.read_text()
    plugin.write_text(text.replace("return Plan(items,", "return Plan(items[::-1],"))
    assert plugin.read_text() != text
    lab.call()
    keys = [row["key"] for row in rows(lab.out)]
    assert keys == sorted(LOOK.faces())
    first = read_rgb(lab.out / "images" / keys[0])
    np.testing.assert_array_equal(np.load(lab.out / "pack.npy")[0], first)


def test_archives_and_threads_change_nothing(lab: Any) -> None:
    import zipfile

    with zipfile.ZipFile(lab.root / "owner.zip", "w") as archive:
        for name, content in LOOK.faces().items():
            archive.writestr("deeper/" + name, content)
    lab.call("--workers", "1", to=lab.root / "one")
    lab.call("--workers", "8", source=lab.root / "owner.zip", to=lab.root / "eight")
    one, eight = lab.root / "one", lab.root / "eight"
    assert facts(one)["content"] == facts(eight)["content"]
    assert (one / "pack.npy").read_bytes() == (eight / "pack.npy").read_bytes()
    assert len(facts(eight)["sources"][0]["sha256"]) == 64


def test_hr_and_lr_share_a_folder(lab: Any) -> None:
    LOOK.write(lab.src, LOOK.faces(low=3))
    lab.call("--set", "lr_size=8")
    found = rows(lab.out)
    assert [(r["height"], r["role"]) for r in found if r["role"] == "lr"] == [(8, "lr")] * 3
    assert np.load(lab.out / "pack-8x8.npy").shape == (3, 8, 8, 3)
    assert np.load(lab.out / "pack-16x16.npy").shape == (12, 16, 16, 3)
    lab.call(to=lab.root / "kept")  # no lr_size: the owner's 12 pixels
    assert {r["height"] for r in rows(lab.root / "kept") if r["role"] == "lr"} == {12}
    only = LOOK.write(
        lab.root / "only", {k: v for k, v in LOOK.faces(low=3).items() if k[0] == "l"}
    )
    lab.call("--size", "6", source=only, to=lab.root / "lr")
    assert {r["height"] for r in rows(lab.root / "lr")} == {6}


@pytest.mark.parametrize(("choice", "packed"), [("auto", False), ("yes", True), ("no", False)])
def test_large_images_are_packed_on_request(choice: str, packed: bool, lab: Any) -> None:
    big = LOOK.write(lab.root / "big", {"train/a_0.png": LOOK.encode(LOOK.face(0, 390, 390))})
    lab.call("--size", "385", "--pack", choice, source=big)
    assert (lab.out / "pack.npy").exists() is packed


def test_points_scale_about_pixel_centres() -> None:
    # A pixel at p covers [p, p + 1]; halving maps its centre p + .5 to (p + .5) / 2.
    points = np.array([[0, 0], [127, 63]], dtype=np.float32)
    np.testing.assert_allclose(
        scale_points(points, (64, 128), 32), [[-0.375, -0.25], [31.375, 31.25]]
    )
    square = np.zeros((40, 40, 3), np.uint8)
    square[20:24, 28:32] = 255  # centre of the block at x 29.5, y 21.5
    raw = Raw(
        "a.png", "test", lambda: square, "s", landmarks=np.array([[29.5, 21.5]] * 5, np.float32)
    )
    rendered = render(raw, Target(10, "box"))
    y, x = np.argwhere(rendered.image[..., 0] > 200)[0]
    assert rendered.landmarks is not None
    np.testing.assert_allclose(rendered.landmarks[0], (x, y))


def test_a_border_is_kept_in_the_owners_pixels() -> None:
    wide = LOOK.face(3, 193, 167)
    inside = wide[30:163, 30:137]
    raw = Raw(
        "a.png", "test", lambda: inside, "s", read_border=lambda: wide, border=(30, 30, 30, 30)
    )
    rendered = render(raw, Target(128, "bicubic", True, True))
    assert rendered.image.shape == (128, 128, 3) and rendered.border_size == (30, 30, 30, 30)
    np.testing.assert_array_equal(rendered.border, wide)
    with pytest.raises(DataError, match="167x193 pixels, but image and border make 167x192"):
        check_border(wide, (30, 30, 29, 30), (133, 107))


def test_borders_are_written_and_packed(lab: Any) -> None:
    lab.call("--set", "pad=4", "points=false", "--size", "16")
    row = rows(lab.out)[0]
    assert row["border"] == [4, 4, 4, 4] and row["border_shape"] == [40, 40]
    wide = read_rgb(lab.out / "border" / row["key"])
    assert wide.shape == (40, 40, 3)
    assert row["border_sha256"] == hash_images([(row["key"], wide)])
    np.testing.assert_array_equal(np.load(lab.out / "border.npy")[0], wide)
    assert main(["--verify", str(lab.out)]) == 0


def test_stretching_and_enlarging_are_the_recipes_business(lab: Any) -> None:
    tall = LOOK.write(lab.root / "tall", {"train/a_0.png": LOOK.encode(LOOK.face(0, 30, 20))})
    lab.call(recipe="stretched", source=tall)
    assert read_rgb(lab.out / "images/train/a_0.png").shape == (16, 16, 3)
    little = LOOK.write(lab.root / "little", {"train/a_0.png": LOOK.encode(LOOK.face(0, 10, 10))})
    lab.call(recipe="enlarged", source=little, to=lab.root / "large")
    assert read_rgb(lab.root / "large/images/train/a_0.png").shape == (16, 16, 3)


def test_packs_are_written_without_a_map_and_open_as_one(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    pack = Pack("pack.npy", [2, 5, 7], 4, 6)
    images = {row: LOOK.face(row, 4, 6) for row in pack.rows}
    with ThreadPoolExecutor(2) as pool:
        write_pack(tmp_path / "pack.npy", pack, images.__getitem__, pool, lambda: None)
    np.save(tmp_path / "numpy.npy", np.stack(list(images.values())))
    assert (tmp_path / "pack.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()


def test_archives_unlike_those_the_owner_published_are_noted(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zipfile

    with zipfile.ZipFile(lab.root / "lab.zip", "w") as archive:
        for name, content in LOOK.faces(2, 2).items():
            archive.writestr(name, content)
    content = (lab.root / "lab.zip").read_bytes()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    import lab_faces

    for number, (size, expected, said) in enumerate(
        ((len(content), md5, None), (None, md5, None), (None, "0" * 32, f"md5 is {md5}, not 000"),
         (7, md5, f"size is {len(content)}, not 7"))
    ):  # fmt: skip
        monkeypatch.setattr(lab_faces.Lab, "published", {"lab.zip": (size, expected)})
        out = lab.root / f"out{number}"
        lab.call(source=lab.root / "lab.zip", to=out)
        notes = [note for note in facts(out)["notes"] if "published" in note]
        assert len(notes) == (said is not None)
        assert said is None or said in notes[0]
        assert facts(out)["sources"][0]["sha256"] == hashlib.sha256(content).hexdigest()


def test_recipes_know_their_owners_checksums() -> None:
    from hydra.utils import get_class

    celeba = get_class("facesr_bench.datasets.celeba.recipe.CelebA").published
    assert celeba["img_align_celeba.zip"] == (1443490838, "00d2c5bc6d35e252742224ab0c1e8fcb")
    wider = get_class("facesr_bench.datasets.widerface.recipe.WiderFace").published
    assert {name: md5[:8] for name, (_, md5) in wider.items()} == {
        "WIDER_train.zip": "3fedf70d", "WIDER_val.zip": "dfa7d7e7", "wider_face_split.zip": "0e3767bc",
    }  # fmt: skip


def test_images_in_flight_are_bounded() -> None:
    """Memory: work may never run ahead of what is written by more than the window."""
    from concurrent.futures import ThreadPoolExecutor

    started, lock = [], threading.Lock()

    def work(raw: Raw) -> dict[str, Any]:
        with lock:
            started.append(raw.key)
        return {"key": raw.key}

    with ThreadPoolExecutor(4) as pool:
        ahead = []
        for done, (_, future) in enumerate(_as_done(raws(*"abcdefghijklmnopqrst"), work, pool, 5)):
            future.result()
            time.sleep(0.005)
            ahead.append(len(started) - done)
    assert len(started) == 20 and max(ahead) <= 5
