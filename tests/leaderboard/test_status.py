"""The status of a row follows from its record, the printed numbers and their tolerances."""

from pathlib import Path
from typing import Any

import pytest

from command_line import ROOT
from facesr_bench.leaderboard.status import golden, status_of
from leaderboard.made_records import bicubic, wider

RELEASED = {
    "origin": "weights from a file",
    "trained_on": [],
    "weights": [{"file": "pretrained_model.pth", "sha256": "0" * 64, "role": "init"}],
    "budget": None,
}


@pytest.mark.parametrize(
    ("record", "name", "said"),
    [
        (wider(13.4), "reproducing", "Table 5, Widerface: every number within its tolerance"),
        (wider(13.98), "reproducing", "every number"),  # 5 % of 13.32 is 0.666
        (wider(13.99), "not reproducing", "FID 13.99 against 13.32 ± 0.666"),
        (wider(13.4, **RELEASED), "official-weights-equal", "every number"),
        (wider(20, **RELEASED), "not reproducing", "FID 20"),
        (wider(scale="smoke"), "golden-equal", "smoke budget"),
        (wider(budget={"images": 2e6, "declared": 4e6}), "golden-equal", "50% of its budget"),
        (wider(n_images=1999), "golden-equal", "1,999 images instead of the paper's 2,000"),
        (wider(metrics={}), "golden-equal", "FID, KIDx100, NIQE not measured"),
        (wider(protocol={"name": "tiny", "version": 1, "hash": "b"}), "golden-equal", "no paper"),
        (wider(5, test_overlap={"known": True, "images": 3}), "golden-equal", "trained on 3 of"),
        (bicubic(), "not reproducing", "KIDx100 1.09 against 16.23"),
    ],
)  # fmt: skip
def test_statuses(record: dict[str, Any], name: str, said: str) -> None:
    found = status_of(record)
    assert found.name == name, found.reason
    assert said in found.reason


def test_findings_hold_paper_ours_and_tolerance() -> None:
    fid, kid, niqe = status_of(wider(13.4)).findings
    assert (fid.what, fid.paper, fid.ours) == ("FID", 13.32, 13.4)
    assert fid.tolerance == pytest.approx(0.666)
    assert kid.ours == pytest.approx(1.09)
    assert niqe.tolerance == 0.2


def test_a_variant_is_judged_by_its_own_row() -> None:
    fully_cycled = wider(16.0, switches={"share": "all+heads"})
    fully_cycled["metrics"]["kid@ffhq64-scgan-train"]["value"] = 0.0165
    found = status_of(fully_cycled)
    assert (found.name, "Table 1, Widerface" in found.reason) == ("reproducing", True)


def test_a_method_without_evidence_only_works() -> None:
    mine = wider(data="tiny", protocol={"name": "tiny", "version": 1, "hash": "b"})
    mine["method"], mine["config"]["method"]["_target_"] = "mine", "mine.Mine"
    assert status_of(mine).name == "working"


def test_the_evidence_is_there() -> None:
    """Every ``golden.yaml`` names a file of tests, which CI runs."""
    folders = sorted(path.parent.name for path in (ROOT / "methods").glob("*/golden.yaml"))
    assert {"scgan", "pan", "propulse", "psp", "pulse", "dap_fsr", "bicubic"} <= set(folders)
    for folder in folders:
        evidence = golden(folder)
        assert evidence is not None
        text = Path(ROOT / evidence["tests"]).read_text(encoding="utf-8")
        assert "def test_" in text
        assert f"methods.{folder}" in text, folder
