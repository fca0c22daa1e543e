"""``facesr-bench evaluate``: folders and finished runs, scored without a model."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from command_line import SMALL, Cli, record_of, restored_surroundings
from facesr_bench.cli import main as front_door
from facesr_bench.errors import (
    ConfigError,
    DataError,
    FaceSRError,
    MissingRequirement,
    NotComputed,
    UsageError,
)
from facesr_bench.evaluate.__main__ import main
from facesr_bench.results import read_record

MEASURES = '''
"""Metrics that misbehave, found through --config-dir."""

import time
from pathlib import Path

import numpy as np

from facesr_bench.errors import MissingRequirement
from facesr_bench.metrics.base import PerImageMetric


class Broken(PerImageMetric):
    higher_is_better, keys = True, ("broken",)

    def settings(self):
        return {}

    def score(self, batch):
        raise ValueError("division by cucumber")


class Slow(Broken):
    keys = ("slow",)

    def score(self, batch):
        Path("slow-has-begun").touch()
        time.sleep(3600)
        return {"slow": np.zeros(len(batch.keys))}


class Lacking(Broken):
    def __init__(self, what="weights"):
        raise MissingRequirement(f"{what} of Lacking are not here")
'''


@pytest.fixture(autouse=True)
def _here(own_surroundings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bicubic run on twelve faces."""
    out = tmp_path_factory.mktemp("run") / "out"
    with restored_surroundings():
        assert front_door(["+method=bicubic", *SMALL, f"output_dir={out}"]) == 0
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """``sr/``, ``hr/`` and ``lr/`` with five images, 32 and 8 pixels wide."""
    rng = np.random.default_rng(0)
    for number in range(5):
        small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        large = small.resize((32, 32), Image.Resampling.BICUBIC)
        noisy = np.clip(np.array(large) + rng.normal(0, 9, (32, 32, 3)), 0, 255).astype(np.uint8)
        for side, name, image in (
            ("lr", f"{number}.bmp", small),
            ("sr", f"{number}.jpg.png", large),
            ("hr", f"{number}.PNG", Image.fromarray(noisy)),
        ):
            (tmp_path / "faces" / side).mkdir(parents=True, exist_ok=True)
            image.save(tmp_path / "faces" / side / name)
    return tmp_path / "faces"


@pytest.fixture
def measures(tmp_path: Path) -> Path:
    """A folder for ``--config-dir`` that names the metrics above."""
    (tmp_path / "my_measures.py").write_text(MEASURES)
    for name in ("Broken", "Slow", "Lacking"):
        path = tmp_path / "my_conf" / "measure" / f"{name.lower()}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"_target_: my_measures.{name}\n")
    return tmp_path / "my_conf"


def folders(faces: Path, *more: str, out: str = "out") -> list[str]:
    sides = [str(faces / "sr"), "--hr", str(faces / "hr"), "--lr", str(faces / "lr")]
    return [*sides, "--out", out, *more]


def psnr(faces: Path) -> float:
    values = []
    for number in range(5):
        sr, hr = (np.array(Image.open(faces / name), dtype=float)
                  for name in (f"sr/{number}.jpg.png", f"hr/{number}.PNG"))  # fmt: skip
        values.append(10 * np.log10(255**2 / np.mean((sr - hr) ** 2)))
    return float(np.mean(values))


# -- folders --------------------------------------------------------------------------------------


def test_two_folders_leave_the_record_of_a_run(cli: Cli, faces: Path, tmp_path: Path) -> None:
    words = ["--name", "bicubic 8x", "--set-name", "noise", "--factor", "4"]
    done = cli("evaluate", *folders(faces, *words))
    record = read_record(tmp_path / "out" / "result.json")
    assert record["method"] == record["label"] == "bicubic 8x"
    assert record["origin"] == "images from elsewhere"
    assert record["n_images"] == 5
    assert record["cost"] == {}
    assert record["protocol"]["name"] == "noise"
    assert record["metrics"]["psnr_rgb"]["value"] == pytest.approx(psnr(faces), abs=1e-9)
    assert {"lr_psnr_bicubic", "ssim_y", "swd_32@noise"} <= set(record["metrics"])
    rows = list(csv.DictReader((tmp_path / "out" / "per_image.csv").open()))
    assert [row["key"] for row in rows] == [f"{number}.PNG" for number in range(5)]
    assert "psnr_rgb" in done.stdout
    assert "5 in" in (tmp_path / "out" / "run.log").read_text()


def test_two_methods_on_the_same_hr_share_a_table(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(faces / "hr", "perfect")
    words = ["--metrics", "psnr_y,ssim_y"]
    main(folders(faces, *words, "--name", "bicubic 8x"))
    main(["perfect", *folders(faces)[1:5], *words])
    assert front_door(["leaderboard", "out", "runs/evaluate/perfect"]) == 0
    table = capsys.readouterr().out.partition("###")[2]
    assert "###" not in table
    assert "| bicubic 8x |" in table
    assert "| perfect | **100" in table
    assert "images from elsewhere" in table


def test_a_metric_that_breaks_costs_only_itself(
    faces: Path, measures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--metrics", "psnr_rgb,broken", "--config-dir", str(measures)]
    assert main(folders(faces, *words)) == 0
    record = record_of(Path("out"))
    assert list(record["metrics"]) == ["psnr_rgb"]
    assert "division by cucumber" in record["metrics_failed"]["broken"]
    said = capsys.readouterr()
    assert "failed: ValueError: division by cucumber" in said.out
    assert "broken failed" in said.err


def test_without_hr_there_is_what_needs_none(
    faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(faces / "sr"), "--lr", str(faces / "lr"), "--out", "out"]
    assert main([*words, "--metrics", "lr_psnr,psnr_rgb"]) == 0
    record = record_of(Path("out"))
    assert list(record["metrics"]) == ["lr_psnr_bicubic"]
    assert record["hr_hash"] is None
    assert record["metrics_skipped"] == {"psnr_rgb": "needs HR images, which this set lacks"}
    assert "not computed: needs HR images" in capsys.readouterr().out


def test_who_the_images_show_widens_the_intervals(faces: Path) -> None:
    rows = "".join(f"{n}.jpg,{'ann' if n < 3 else 'bob'},{n * 10},n{n}\n" for n in range(5))
    Path("facts.csv").write_text("key,identity,age,note\n" + rows)
    words = ["--metrics", "psnr_rgb"]
    main(folders(faces, *words, out="plain"))
    main(folders(faces, *words, "--landmarks", "facts.csv", out="people"))
    plain, people = (record_of(Path(name)) for name in ("plain", "people"))
    assert plain["metrics"]["psnr_rgb"]["value"] == people["metrics"]["psnr_rgb"]["value"]
    assert plain["metrics"]["psnr_rgb"]["ci95"] != people["metrics"]["psnr_rgb"]["ci95"]
    assert plain["protocol"] == people["protocol"]
    assert len(people["config"]["landmarks"]["sha256"]) == 64
    assert "0.PNG,ann," in Path("people/per_image.csv").read_text()
    known = Path("people/attributes.csv").read_text().splitlines()
    assert known[:2] == ["key,domain,age", "0.PNG,,0.0"]
    assert not Path("plain/attributes.csv").exists()


def test_sizes_may_differ_and_batches_do_not_move_a_number(faces: Path) -> None:
    for side, name in (("sr", "2.jpg.png"), ("hr", "2.PNG")):
        path = faces / side / name
        Image.open(path).resize((48, 40)).save(path)
    words = ["--metrics", "psnr_rgb,ssim_y,lr_psnr,swd"]
    main(folders(faces, *words, out="a"))
    main(folders(faces, *words, "--batch-size", "1", out="b"))
    a, b = (record_of(Path(name)) for name in "ab")
    assert a["metrics"] == b["metrics"]
    assert a["metrics"]["psnr_rgb"]["n"] == 5
    assert "images of one size" in a["metrics_skipped"]["swd_mean@faces-hr"]


def test_what_is_missing_is_said_before_an_image_is_read(faces: Path, measures: Path) -> None:
    (faces / "sr" / "0.jpg.png").write_bytes(b"no image")
    words = ["--metrics", "psnr_rgb,lacking", "--config-dir", str(measures)]
    with pytest.raises(MissingRequirement, match="weights of Lacking are not here"):
        main(folders(faces, *words))
    with pytest.raises(DataError, match=r"0\.jpg\.png is not an image"):
        main(folders(faces, *words, "--on-missing", "skip"))
    assert not Path("out").exists()
    images = Path(shutil.copytree(faces / "hr", "copy"))
    words = [str(images), "--hr", str(faces / "hr"), *words, "--on-missing", "skip"]
    assert main([*words, "--out", "out"]) == 0
    assert "Lacking" in record_of(Path("out"))["metrics_skipped"]["lacking"]


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["sr"], UsageError, "without --hr or --lr"),
        (["sr", "--hr", "hr", "--metrics", "lr_psnr"], UsageError, "without --lr"),
        (["sr", "--hr", "hr", "--metrics", "psnrr"], UsageError, "no metric 'psnrr'"),
        (["sr", "--hr", "hr", "--metrics", "none"], UsageError, "nothing to measure"),
        (["sr", "--hr", "nowhere"], DataError, "--hr nowhere does not exist"),
        (["sr", "--hr", "empty"], DataError, "No images below"),
        (["sr/0.jpg.png", "--hr", "hr"], DataError, "is a file, not a folder"),
        (["sr", "--factor", "4"], UsageError, "needs --lr"),
        (["sr", "--hr", "hr", "--set-name", "a@b"], UsageError, "part of metric names"),
        (["sr", "--hr", "hr", "--batch-size", "0"], UsageError, "at least 1"),
        (["sr", "--hr", "hr", "--config-dir", "/nope"], UsageError, "/nope is not a folder"),
        (["done", "--config-dir", "hr/0.PNG"], UsageError, "0.PNG is not a folder"),
        (["sr", "--hr", "hr", "--out", "sr"], ConfigError, "folder of images to score"),
        (["sr", "--hr", "hr", "--out", "done"], ConfigError, "already holds a record"),
        (["sr", "--hr", "hr", "--landmarks", "no.csv"], DataError, "no.csv does not exist"),
        (["done"], DataError, "images from elsewhere"),
        (["half"], DataError, "not finished"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(
    words: list[str], error: type[FaceSRError], said: str, faces: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    main(folders(faces, "--metrics", "psnr_rgb", out=str(faces / "done")))
    monkeypatch.chdir(faces)
    for name in ("empty/a.txt", "half/config.yaml", "half/run.log"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    before = sorted(faces.rglob("*"))
    with pytest.raises(error, match=said):
        main(words)
    assert sorted(faces.rglob("*")) == before


def test_where_nothing_can_be_written_is_said_before_an_image_is_read(faces: Path) -> None:
    (faces / "sr" / "0.jpg.png").write_bytes(b"no image")
    for out in ("/proc/x", "/proc/x/y", str(faces / "hr" / "0.PNG"), str(faces / "hr/0.PNG/x")):
        with pytest.raises(ConfigError, match="Cannot write to "):
            main(folders(faces, "--metrics", "psnr_rgb", out=out))
    before = sorted(faces.rglob("*"))
    with pytest.raises(DataError, match="is not an image"):  # and trying leaves no trace
        main(folders(faces, "--metrics", "psnr_rgb", out=str(faces / "new" / "out")))
    assert sorted(faces.rglob("*")) == before


def test_a_command_that_computed_nothing_fails(
    faces: Path, measures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", *folders(faces, "--metrics", "broken", "--config-dir", str(measures))]
    assert front_door(words) == 1
    said = capsys.readouterr().err
    assert "facesr-bench: Not one of the metrics asked for has a value" in said
    assert "broken failed: ValueError" in said
    assert record_of(Path("out"))["metrics_failed"]  # the reasons are kept


def test_a_run_scored_again_without_a_new_value_fails(run: Path, measures: Path) -> None:
    before = record_of(run)["metrics"]
    with pytest.raises(NotComputed, match="Not one of the metrics"):
        main([str(run), "--metrics", "broken", "--config-dir", str(measures)])
    assert record_of(run)["metrics"] == before


def test_errors_reach_the_user_as_a_sentence_with_an_exit_code(
    faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (faces / "sr" / "0.jpg.png").unlink()
    assert front_door(["evaluate", *folders(faces)]) == 1
    assert capsys.readouterr().err.startswith("facesr-bench: The 4 SR images in")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from facesr_bench.evaluate.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({'torch', 'numpy', 'hydra', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600
    )
    assert done.stdout.endswith("[]\n")
    module = [sys.executable, "-m", "facesr_bench.evaluate", "--help"]
    again = subprocess.run(module, capture_output=True, text=True, check=True, timeout=600)
    assert "--hr DIR" in again.stdout
    assert again.stdout in done.stdout


def test_ctrl_c_ends_it_at_once_without_a_record(
    faces: Path, measures: Path, tmp_path: Path
) -> None:
    words = folders(faces, "--metrics", "psnr_rgb,slow", "--config-dir", str(measures))
    process = subprocess.Popen(
        [sys.executable, "-m", "facesr_bench", "evaluate", *words],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 300  # a busy machine
        while not (tmp_path / "slow-has-begun").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "facesr-bench: Stopped; no record was written or changed." in said
    assert "Traceback" not in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.suffix) == ["run.log"]


# -- a finished run -------------------------------------------------------------------------------


def test_a_run_scored_again_gives_its_own_numbers(cli: Cli, run: Path) -> None:
    before, table = record_of(run), (run / "per_image.csv").read_bytes()
    cli("evaluate", str(run))  # from another folder
    after = read_record(run / "result.json")
    notes = after.pop("rescored")
    assert after == before  # to the bit, every value, interval and setting
    assert (run / "per_image.csv").read_bytes() == table
    assert len(notes) == 1
    assert set(notes[0]["metrics"]) == set(before["metrics"])
    assert {"when", "versions", "git", "device"} <= set(notes[0])


def change(run: Path, **values: Any) -> dict[str, Any]:
    record = record_of(run) | values
    (run / "result.json").write_text(json.dumps(record))
    return record


def test_new_scores_go_beside_the_old_ones(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = record_of(run)
    kept = {key: value for key, value in record["metrics"].items() if key != "psnr_y"}
    kept["psnr_rgb"] = {**kept["psnr_rgb"], "value": 1.0}
    change(run, metrics=kept, metrics_failed={"psnr_y": "broke", "other": "broke"})
    table = csv.reader((run / "per_image.csv").read_text().splitlines())
    rows = [
        [cell for cell, name in zip(row, HEAD, strict=True) if name != "psnr_y"] for row in table
    ]
    (run / "per_image.csv").write_text("".join(",".join(row) + "\n" for row in rows))

    main([str(run), "--metrics", "psnr_rgb", "psnr_y"])
    after = record_of(run)
    assert set(after["metrics"]) == set(record["metrics"])
    assert after["metrics"] == record["metrics"]
    assert after["metrics_failed"] == {"other": "broke"}
    assert after["rescored"][0]["metrics"] == ["psnr_rgb", "psnr_y"]
    with (run / "per_image.csv").open() as file:
        assert set(csv.DictReader(file).fieldnames or ()) == set(HEAD)
    assert "psnr_rgb was 1 and is" in capsys.readouterr().err

    main([str(run), "--metrics", "ssim_y"])
    assert [note["metrics"] for note in record_of(run)["rescored"]][1:] == [["ssim_y"]]


HEAD = ["key", "identity", "psnr_rgb", "psnr_y", "ssim_rgb", "ssim_y", "lr_psnr_bicubic",
        "lr_l2_bicubic"]  # fmt: skip


def test_a_metric_that_fails_today_keeps_the_value_it_had(run: Path, measures: Path) -> None:
    broken = record_of(run)["metrics"]["psnr_y"]
    change(run, metrics=record_of(run)["metrics"] | {"broken": broken})
    main([str(run), "--metrics", "broken", "psnr_y", "--config-dir", str(measures)])
    after = record_of(run)
    assert after["metrics"]["broken"] == broken
    assert after["metrics_failed"] == {}
    assert "cucumber" in after["rescored"][0]["failed"]["broken"]


def edit(path: Path, **values: Any) -> None:
    settings = yaml.safe_load(path.read_text())
    settings["data"].update(values)
    path.write_text(yaml.safe_dump(settings))


def spoil(run: Path, how: str) -> None:
    """Break a finished run in one way."""
    first, last = (sorted((run / "sr").rglob("*.png"))[index] for index in (0, -1))
    if how == "swapped":
        first.write_bytes(last.read_bytes())
    elif how == "lost":
        first.unlink()
    elif how == "dropped":
        shutil.rmtree(run / "sr")
        change(run, config=record_of(run)["config"] | {"keep_sr": False})
    elif how == "seed":
        edit(run / "config.yaml", protocol_seed=1)
        change(run, lr_hash="0" * 64)
    elif how == "version":
        edit(run / "config.yaml", version=2)
    elif how == "relative":
        source = {"_target_": "facesr_bench.datasets.folder.Folder", "root": "my_faces"}
        edit(run / "config.yaml", root="my_faces", source=source)
    elif how == "no config":
        (run / "config.yaml").unlink()
    elif how == "record":
        (run / "result.json").write_text('{"schema": 1}')


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("swapped", "not those the run wrote: their sr_hash"),
        ("lost", "lacks the SR images of 1 of 12 keys"),
        ("dropped", "it ran with keep_sr=false"),
        ("seed", "no longer the one the run was asked.*different: lr_hash"),
        ("version", "no longer the one the run was asked.*name, version or degradation"),
        ("relative", "my_faces.*has relative paths .root=my_faces."),
        ("no config", "has no config.yaml"),
        ("record", "not a complete run record"),
    ],
)
def test_a_run_that_is_not_as_it_was_is_not_scored(how: str, said: str, run: Path) -> None:
    spoil(run, how)
    before = (run / "result.json").read_bytes()
    with pytest.raises(DataError, match=said):
        main([str(run)])
    assert (run / "result.json").read_bytes() == before


def test_what_is_for_folders_does_not_apply_to_a_run(run: Path) -> None:
    with pytest.raises(UsageError, match="--set-name does not apply"):
        main([str(run), "--set-name", "x"])


def test_two_writers_do_not_meet(run: Path) -> None:
    from filelock import FileLock

    with FileLock(run / ".lock"), pytest.raises(ConfigError, match="Another process is writing"):
        main([str(run)])
