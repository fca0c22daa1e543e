"""The protocol from front to back on small data: records, resuming, and what a method may not do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from facesr_bench.adaptation import running
from facesr_bench.adaptation.__main__ import main
from facesr_bench.adaptation.contract import Exemplars
from facesr_bench.adaptation.running import run_protocol
from facesr_bench.config import build_data
from facesr_bench.cost import Cost
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.evaluate.__main__ import main as evaluate
from facesr_bench.leaderboard.baseline import missing_baseline
from facesr_bench.leaderboard.records import find_records
from facesr_bench.method import Method
from facesr_bench.methods.bicubic import Interpolation
from facesr_bench.starting_weights import StartingWeights
from methods.dap_fsr_models import build

FAST = {"outer": 1, "inner": 1, "batch": 1}
PSNR = {"_target_": "facesr_bench.metrics.psnr_ssim.PSNR", "colour": "rgb"}
WEIGHTS = StartingWeights("trained here", [], None)


@pytest.fixture(autouse=True)
def _no_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timing a method takes most of a cell's time, and is tested elsewhere."""
    monkeypatch.setattr(
        running, "measure_cost", lambda *_, **__: Cost(1, 1, 1.0, 1.0, 1, 1, "none")
    )


def settings(keep_sr: bool = False, **adaptation: Any) -> dict[str, Any]:
    """A resolved configuration of stage=adapt."""
    return {
        "method": {"name": "small"},
        "data": {
            "_target_": "facesr_bench.datamodule.FaceSRDataModule",
            "name": "two_lights", "version": 1, "hr_size": 32, "factor": 2,
            "source": {"_target_": "adaptation.two_lights.TwoLights"},
            "degradation": {
                "_target_": "facesr_bench.degradations.resizing.Downscale", "factor": 2,
            },
        },
        "trainer": {"accelerator": "cpu", "devices": 1},
        "metrics": {
            "name": "few", "seed": 2020, "only": None, "on_missing": "raise", "allow_small": False,
            "measures": {"psnr_rgb": PSNR},
        },
        "seed": 2020, "scale": "smoke", "label": None, "keep_sr": keep_sr, "stage": "adapt",
        "adaptation": {"seeds": 2, **adaptation}, "cost_seconds": 0.1,
    }  # fmt: skip


def run(folder: Path, method: Method, **adaptation: Any) -> dict[str, Any]:
    wanted = settings(**adaptation)
    method._context = None  # of training, which was another run
    return run_protocol(wanted, folder, build_data(wanted["data"]), method, WEIGHTS)


def test_a_record_of_all_cells_and_how_it_goes_on(tmp_path: Path) -> None:
    def method() -> Method:
        return build(phi_lr=1e-2, **FAST)

    record = run(tmp_path, method())
    cells = sorted(path.relative_to(tmp_path / "cells") for path in tmp_path.rglob("cell.json"))
    assert [str(path.parent) for path in cells] == ["bright/00", "bright/01", "dim/00", "dim/01"]
    found = find_records([tmp_path])
    assert len(found.records) == 1 and not found.unreadable and not found.unfinished
    values = [entry["metrics"]["psnr_rgb"] for entry in record["adaptation"]["cells"]]
    assert len(set(values)) == 4, "cells differ in what is tested or shown"
    assert record["metrics"]["psnr_rgb"]["value"] == pytest.approx(sum(values) / 4)
    assert record["n_images"] == 8 and record["label"] == "small"
    shown = {key for cell in record["adaptation"]["cells"] for key in cell["exemplars"]}
    assert record["trained_on"][-1] == {
        "data": "two_lights", "version": 1, "exemplars": sorted(shown), "images": 1,
    }  # fmt: skip
    low, high = record["metrics"]["psnr_rgb"]["ci95"]
    assert low < record["metrics"]["psnr_rgb"]["value"] < high
    assert record["metrics"]["psnr_rgb"]["ci_units"] == "8 people"
    rows = (tmp_path / "per_image.csv").read_text().splitlines()
    assert len(rows) == 9 and rows[0].startswith("key,identity")
    known = (tmp_path / "attributes.csv").read_text().splitlines()
    assert known[0] == "key,domain,strength" and len(known) == 9
    assert known[1:3] == ["test00.png,bright,1.0", "test01.png,dim,0.5"]

    # Stopped before the last cell: the others are kept, and the numbers are those of one attempt.
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("cell.json")}
    (tmp_path / "result.json").unlink()
    (tmp_path / "cells/dim/01/cell.json").unlink()
    again = run(tmp_path, method())
    made = {path for path, at in before.items() if path.stat().st_mtime_ns != at}
    assert made == {tmp_path / "cells/dim/01/cell.json"}
    assert again["sr_hash"] == record["sr_hash"] and again["protocol"] == record["protocol"]

    # Other source weights are another run: nothing is kept.
    other = method()
    with torch.no_grad():
        next(other.parameters()).add_(0.01)
    (tmp_path / "result.json").unlink()
    third = run(tmp_path, other)
    assert third["sr_hash"] != record["sr_hash"] and third["protocol"] == record["protocol"]


def test_cells_start_from_the_same_weights(tmp_path: Path) -> None:
    """The second draw alone gives what it gives after the first: no cell learns from another."""
    both = run(tmp_path / "both", build(phi_lr=1e-2, **FAST))
    alone = run(tmp_path / "alone", build(phi_lr=1e-2, **FAST), conditions=["dim"])
    of_dim = [c for c in both["adaptation"]["cells"] if c["condition"] == "dim"]
    assert [c["metrics"] for c in of_dim] == [c["metrics"] for c in alone["adaptation"]["cells"]]


def test_source_only_shares_the_protocol_and_any_method_can_be_measured(tmp_path: Path) -> None:
    records = {
        "bicubic": run(tmp_path / "a", Interpolation("bicubic", 2), strategy="none"),
        "source only": run(tmp_path / "b", build(**FAST), strategy="none", keep_weights=True),
        "direct": run(
            tmp_path / "c", build(**FAST), strategy="direct", fine_tuning={"steps": 1, "lr": 0.01}
        ),
    }
    assert len({record["protocol"]["hash"] for record in records.values()}) == 1
    assert records["bicubic"]["label"] == "small (source only)"
    assert records["direct"]["label"] == "small + direct fine-tuning"
    psnr = {name: r["metrics"]["psnr_rgb"]["value"] for name, r in records.items()}
    assert len(set(psnr.values())) == 3
    kept = torch.load(tmp_path / "b/cells/dim/00/adapted.ckpt", weights_only=True)
    assert set(kept["state_dict"]) == set(build(**FAST).state_dict())
    said = missing_baseline([records["direct"]])
    assert said is not None
    command = (
        "`facesr-bench adapt +method=bicubic +data=two_lights adaptation.seeds=2 "
        "adaptation.strategy=none`"
    )
    assert command in said
    # Nothing was learned, so draws make no difference.
    assert records["source only"]["metrics"]["psnr_rgb"]["spread"] == 0


def test_our_reading_is_marked_in_every_table(tmp_path: Path) -> None:
    style = {"features": "vgg19_random", "steps": 1, "batch": 1}
    record = run(
        tmp_path, build(**FAST), strategy="asm", seeds=1, conditions=["dim"],
        fine_tuning={"steps": 1, "batch": 1}, style_net=style,
    )  # fmt: skip
    assert record["label"] == "small + ASM (our reading)"
    assert record["adaptation"]["stylist"] is not None
    assert json.loads((tmp_path / "result.json").read_text())["label"] == record["label"]


def test_a_protocol_is_scored_again_from_its_images(tmp_path: Path) -> None:
    """The same numbers without adapting, other metrics merged, foreign images refused."""
    wanted = settings(keep_sr=True, conditions=["dim"])
    method = build(phi_lr=1e-2, **FAST)
    method._context = None
    before = run_protocol(wanted, tmp_path, build_data(wanted["data"]), method, WEIGHTS)
    (tmp_path / "config.yaml").write_text(json.dumps(wanted))  # JSON is YAML
    known = (tmp_path / "attributes.csv").read_bytes()
    (tmp_path / "attributes.csv").unlink()  # as in runs of older versions
    assert evaluate([str(tmp_path), "--metrics", "psnr_rgb,psnr_y"]) == 0
    after = json.loads((tmp_path / "result.json").read_text())
    assert after["metrics"]["psnr_rgb"] == before["metrics"]["psnr_rgb"]
    assert after["metrics"]["psnr_y"]["ci95"] and "psnr_y" not in before["metrics"]
    assert after["metrics"]["psnr_y"]["spread"] > 0
    for same in ("protocol", "sr_hash", "label", "trained_on", "config", "seconds"):
        assert after[same] == before[same], same
    cells = after["adaptation"]["cells"]
    assert [set(cell["metrics"]) for cell in cells] == [{"psnr_rgb", "psnr_y"}] * 2
    assert "psnr_y" in (tmp_path / "per_image.csv").read_text().splitlines()[0]
    assert (tmp_path / "attributes.csv").read_bytes() == known
    assert [entry["metrics"] for entry in after["rescored"]] == [["psnr_rgb", "psnr_y"]]

    record = (tmp_path / "result.json").read_bytes()
    image = next(iter((tmp_path / "cells/dim/01/sr").glob("*.png")))
    Image.new("RGB", (32, 32)).save(image)
    with pytest.raises(DataError, match="are not those the run wrote"):
        evaluate([str(tmp_path)])
    assert (tmp_path / "result.json").read_bytes() == record


class Peeking(Interpolation):
    """An algorithm that looks at what it is going to be tested on."""

    adaptation_steps = 1

    def __init__(self, look: Callable[[], Any]) -> None:
        super().__init__("bicubic", 2)
        self.look = look

    def adapt(self, exemplars: Exemplars, seed: int, done: Callable[[], None]) -> dict[str, float]:
        self.look()
        return {}


@pytest.mark.parametrize("role", ["test", "exemplar"])
def test_a_method_that_looks_at_the_target_is_stopped(role: Any, tmp_path: Path) -> None:
    wanted = settings()
    data = build_data(wanted["data"])
    reached: list[Any] = []

    def look() -> None:
        split = method.target.split(role)
        reached.append([split[i] for i in range(len(split))])

    method = Peeking(look)

    class Seen(running.Target):
        def __init__(self, data: Any) -> None:
            super().__init__(data)
            method.target = self.source

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "Target", Seen)
        with pytest.raises(DataError, match="Adaptation tried to read"):
            run_protocol(wanted, tmp_path, data, method, WEIGHTS)
    assert not reached and not list(tmp_path.rglob("cell.json"))


def test_a_method_without_an_algorithm_says_what_to_choose(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"choose adaptation\.strategy=direct"):
        run(tmp_path, Interpolation("bicubic", 2))


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for word in ("adaptation.k", "adaptation.seeds", "adaptation.strategy", "ckpt="):
        assert word in said
