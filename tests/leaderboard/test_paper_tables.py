"""A paper's table beside ours: no printed row is lost, no reason is hidden, smoke budgets are."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from facesr_bench.leaderboard.__main__ import main
from facesr_bench.leaderboard.grid import value_text
from facesr_bench.leaderboard.model import Row, Table
from facesr_bench.leaderboard.paper_tables import paper_tables
from facesr_bench.leaderboard.records import find_records
from facesr_bench.papers import find_table, read_paper
from leaderboard.made_records import SWITCHES, bicubic, metric, save, wider


def views(root: Path, number: str = "5", paper: str = "scgan") -> list[Table]:
    content = read_paper(paper)
    return paper_tables(content, find_table(content, number), find_records([root]))


def on_wider(root: Path, number: str = "5") -> Table:
    (view,) = (table for table in views(root, number) if "; Widerface" in table.title)
    return view


def row(table: Table, name: str) -> Row:
    (found,) = (row for row in table.rows if row.name == name)
    return found


def test_every_printed_row_is_there_without_any_run(tmp_path: Path) -> None:
    tables = views(tmp_path)
    assert len(tables) == 4
    for table in tables:
        assert len(table.rows) == 9
        assert {cell.state for line in table.rows for cell in line.cells} == {"not run", "printed"}
        assert any("python -m facesr_bench -m experiment=scgan/table5" in n for n in table.notes)
    assert "another system" in row(tables[0], "GFPGAN").cells[0].reason


def test_paper_ours_and_difference_stand_beside_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, wider(13.42), bicubic())
    ours = row(on_wider(tmp_path), "SCGAN")
    fid, kid, niqe = ours.cells
    assert fid.printed is not None
    assert (fid.printed.value, fid.value, fid.ci95) == (13.32, 13.42, (12.42, 14.42))
    assert kid.value == pytest.approx(1.09)  # the paper prints a hundred times KID
    assert niqe.metric is not None
    assert main([str(tmp_path), "--paper", "scgan", "--table", "5", "--format", "markdown"]) == 0
    out = capsys.readouterr().out
    line = next(line for line in out.splitlines() if line.startswith("| SCGAN | 13.32"))
    assert "| 13.32 | **13.42 [12.42, 14.42]** | +0.10 |" in line
    assert "| 1.08 ± 0.05 | **1.0900" in line
    assert "FID: ours is fid@ffhq64-scgan-train." in out
    assert "NIQE: ours is niqe_up192." in out
    assert out.count("### SCGAN") == 4


def test_another_convention_of_niqe_is_not_the_printed_one(tmp_path: Path) -> None:
    """ "@" names a reference set in most keys; in NIQE's it tells which luma was scored."""
    facts = wider()
    both = {"niqe_up192@bt601": metric(1.0), **facts["metrics"]}
    save(tmp_path / "both", wider(metrics=both))
    cell = row(on_wider(tmp_path / "both"), "SCGAN").cells[2]
    assert cell.value == 6.7
    alone = {k: v for k, v in both.items() if k != "niqe_up192"}
    save(tmp_path / "alone", wider(metrics=alone))
    assert row(on_wider(tmp_path / "alone"), "SCGAN").cells[2].value is None


def test_why_ours_may_differ(tmp_path: Path) -> None:
    short = wider(scale="slim", budget={"images": 2_000_000, "declared": 4_000_000}, n_images=1990)
    save(tmp_path, short)
    told = " ".join(row(on_wider(tmp_path), "SCGAN").differs)
    for reason in ("how they are cropped", "1,990 test images, the paper has 2,000", "trained here",
                   "50% of its budget", "scale=slim"):  # fmt: skip
        assert reason in told


def test_a_smoke_budget_is_hidden_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, wider(77.25, scale="smoke"))
    table = on_wider(tmp_path)
    assert row(table, "SCGAN").cells[0].state == "not run"
    assert table.hidden == ("1 run of a smoke budget",)
    main([str(tmp_path), "--paper", "scgan"])
    out = capsys.readouterr().out
    assert "77.25" not in out
    assert "Hidden here: 1 run of a smoke budget." in out


def test_a_stand_in_metric_enters_no_table(tmp_path: Path) -> None:
    record = wider()
    record["metrics"]["fid@ffhq64-scgan-train"] = metric(1.0, settings={"stand_in": True})
    save(tmp_path, record)
    assert row(on_wider(tmp_path), "SCGAN").cells[0].state == "missing"


def test_failed_and_skipped_metrics_keep_their_cell_and_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = wider()
    record["metrics"] = {"niqe_up192": metric(6.7)}
    record["metrics_failed"] = {"fid@ffhq64-scgan-train": "the features held a nan"}
    record["metrics_skipped"] = {"kid@ffhq64-scgan-train": "needs 1,000 images"}
    save(tmp_path, record)
    cells = row(on_wider(tmp_path), "SCGAN").cells
    assert [cell.state for cell in cells] == ["failed", "not measured", "measured"]
    main([str(tmp_path), "--paper", "scgan", "--table", "5"])
    out = capsys.readouterr().out
    assert "failed (SCGAN): the features held a nan." in out
    assert "| 13.32 | failed | - |" in out


def unfinished(root: Path, log: str, **config: Any) -> None:
    root.mkdir()
    content = {
        "method": SWITCHES,
        "data": {"name": "scgan_widerface"},
        "stage": "fit_test",
        **config,
    }
    (root / "config.yaml").write_text(yaml.safe_dump(content))
    (root / "run.log").write_text(log)


def test_a_failed_run_is_a_row_with_its_error(tmp_path: Path) -> None:
    traceback = (
        "2026-01-01 INFO facesr_bench: scgan on scgan_widerface\n"
        "2026-01-01 DEBUG facesr_bench: The run failed.\nTraceback (most recent call last):\n"
        '  File "x.py", line 1, in f\nfacesr_bench.errors.DataError: There is no folder data/x.\n'
    )
    unfinished(tmp_path / "failed", traceback)
    cell = row(on_wider(tmp_path), "SCGAN").cells[0]
    assert (cell.state, cell.reason) == ("failed", "DataError: There is no folder data/x.")
    assert cell.printed is not None
    unfinished(tmp_path / "running", "2026-01-01 INFO facesr_bench: started\n")
    states = [r.cells[0].state for r in on_wider(tmp_path).rows if r.name == "SCGAN"]
    assert states == ["failed", "unfinished"]


def test_a_value_that_was_trained_for_is_never_the_best_of_a_papers_column(tmp_path: Path) -> None:
    for_it = wider(10, loss_networks=["fid_inception"], started="2026-01-02T00:00:00+00:00")
    save(tmp_path, for_it, wider(20, switches={"share": "all+heads"}))
    table = on_wider(tmp_path, "1")
    best = {name: row(table, name).cells[0].best for name in ("SCGAN", "SCGAN-fc")}
    assert best == {"SCGAN": False, "SCGAN-fc": True}
    niqe = [
        row(table, "SCGAN").cells[n].best for n, h in enumerate(table.heads) if h.name == "NIQE"
    ]
    assert niqe == [True], "the rest of its row may win"


def test_of_several_attempts_the_last_ones_error_is_told(tmp_path: Path) -> None:
    """A run that was started again writes on in its log."""
    attempt = (
        "2026-01-01 DEBUG facesr_bench: The run failed.\nTraceback (most recent call last):\n"
        "facesr_bench.errors.DataError: {}\n2026-01-02 INFO facesr_bench: again\n"
    )
    unfinished(tmp_path / "twice", attempt.format("The first.") + attempt.format("The second."))
    assert row(on_wider(tmp_path), "SCGAN").cells[0].reason == "DataError: The second."


def test_a_spread_is_in_the_papers_unit_as_the_value_is(tmp_path: Path) -> None:
    record = wider(13.42)
    record["metrics"]["kid@ffhq64-scgan-train"] |= {"ci95": None, "spread": 0.0005}
    save(tmp_path, record)
    kid = row(on_wider(tmp_path), "SCGAN").cells[1]
    assert value_text(kid) == "1.0900 ± 0.0500"


def test_variants_find_their_rows_and_others_none(tmp_path: Path) -> None:
    save(
        tmp_path,
        wider(20, switches={"branches": "backward_only"}),
        wider(30, switches={"share": "all+heads"}),
        wider(40, switches={"share": "all+heads", "branches": "forward_only"}),
    )
    table = on_wider(tmp_path, "1")
    values = {line.name: line.cells[0].value for line in table.rows}
    assert values == {"SCGAN-w/o-D_SL": None, "SCGAN-w/o-D_HL": 20, "SCGAN-fc": 30, "SCGAN": None}


def test_other_inputs_are_another_view_and_the_papers_own_comes_first(tmp_path: Path) -> None:
    few = wider(
        50, n_images=16, protocol={"name": "scgan_widerface-16", "version": 1, "hash": "b" * 64}
    )
    save(tmp_path, few, wider(13.4))
    first, second = (table for table in views(tmp_path) if "; Widerface" in table.title)
    assert "2,000 images" in first.title
    assert "16 images" in second.title
    assert row(first, "SCGAN").cells[0].value == 13.4


def test_one_column_splits_by_how_it_was_measured(tmp_path: Path) -> None:
    other = bicubic()
    other["metrics"]["fid@ffhq64-scgan-train"]["settings"] = {"resize": "antialiased"}
    save(tmp_path, wider(), other)
    table = on_wider(tmp_path)
    heads = [head.name for head in table.heads]
    assert len([name for name in heads if name.startswith("FID (fid@")]) == 2
    assert [cell.state for cell in row(table, "SCGAN").cells[:2]] == ["measured", "missing"]


def test_another_systems_images_find_their_row_by_label(tmp_path: Path) -> None:
    gfpgan = wider(60, label="GFPGAN", origin="images from elsewhere", budget=None, trained_on=[])
    save(tmp_path, gfpgan | {"method": "images"})
    found = row(on_wider(tmp_path), "GFPGAN")
    assert (found.cells[0].value, found.division) == (60, "images from elsewhere")


def test_systems_we_do_not_have_say_why(tmp_path: Path) -> None:
    for table in views(tmp_path, "1", "dap_fsr"):
        names = {line.name for line in table.rows} & {"MTDN", "CPGAN", "MTDN+ASM", "CPGAN+ASM"}
        assert len(names) == 2
        for name in names:
            why = "no code of" if "MTDN" in name else "lie on Baidu only"
            assert all(why in cell.reason for cell in row(table, name).cells)
            (said,) = (n for n in table.notes if name in re.split(r"[(), ]+", n.partition(":")[0]))
            assert why in said


def test_the_truths_row_is_the_floor(tmp_path: Path) -> None:
    record = wider(
        data="scgan_ffhq", protocol={"name": "scgan_ffhq", "version": 1, "hash": "c" * 64}
    )
    record["metrics"] = {"verification_acc@facenet": metric(0.85, higher=True, floor=0.97)}
    save(tmp_path, record)
    (table,) = views(tmp_path, "7")
    assert row(table, "Ground Truth").cells[0].value == pytest.approx(97)
    assert row(table, "SCGAN").cells[0].value == pytest.approx(85)


def test_adaptation_shows_draws_and_whose_reading_it_is(tmp_path: Path) -> None:
    adapted = wider()
    switches = dict(read_paper("dap_fsr").rows["DAP-FSR"].switches) | {"name": "dap_fsr"}
    adapted |= {
        "method": "dap_fsr", "label": "dap_fsr + ASM (our reading)", "n_images": 90,
        "config": {"method": switches, "seed": 1}, "data": "dap_celeba_to_yaleb-1shot",
        "protocol": {"name": "dap_celeba_to_yaleb-1shot", "version": 1, "hash": "d" * 64},
        "metrics": {"psnr_rgb": metric(20.9, higher=True, ci95=None, spread=0.3)},
        "adaptation": {
            "strategy": "asm", "k": 1, "seeds": list(range(10)), "conditions": list("abcdefghij")
        },
    }  # fmt: skip
    save(tmp_path, adapted)
    (table,) = views(tmp_path, "3", "dap_fsr")
    (found,) = (line for line in table.rows if line.name.startswith("ASM"))
    assert [mark.text for mark in found.marks][:2] == ["adapted by 1", "our reading"]
    assert "10 conditions and 10 draws" in found.marks[0].why


def test_a_table_needs_its_paper(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--table", "5"])
    assert "--table needs --paper" in capsys.readouterr().err


def pro_pulse(**method: Any) -> dict[str, Any]:
    """A record of a row of Pro-PULSE's tables."""
    switches = {
        "name": "propulse", "encoder": "progressive", "base": "encoder", "side": "branches",
        "e2e": False, "losses": ["rec", "id", "adv"], "identity": "arcface_irse50", "id_weight": 1.0,
    }  # fmt: skip
    cost = {
        "flops": 2e11, "flops_paper_rule": 2e11, "seconds_per_image": 0.5, "seconds_mean": 0.07,
        "timed_images": 5817, "timed_batch": 1,
    }  # fmt: skip
    protocol = {"name": "propulse_celebahq", "version": 1, "hash": "b" * 64}
    return wider(
        method="propulse", label="propulse", data="propulse_celebahq", protocol=protocol, cost=cost,
        n_images=5817, config={"seed": 2020, "method": switches | method},
    )  # fmt: skip


@pytest.mark.parametrize("without", [{"identity": None}, {"id_weight": 0.0}])
@pytest.mark.parametrize("losses", [["rec", "id", "adv"], ["rec", "id"], ["rec"], ["adv"]])
def test_rows_trained_without_an_identity_network_are_marked(
    tmp_path: Path, losses: list[str], without: dict[str, Any]
) -> None:
    """Pro-PULSE is then "w/o L_id", "w/o L_adv" is "only L_rec", and so on: not one row alone."""
    save(tmp_path, pro_pulse(losses=losses, **without), pro_pulse(base="w_avg", **without))
    (view,) = views(tmp_path, "II", "propulse")
    found = [line for line in view.rows if line.record]
    assert len(found) == 2
    assert all("no L_id" in [mark.text for mark in line.marks] for line in found)
    assert any("one run" in note for note in view.notes)


def test_rows_trained_with_one_are_not(tmp_path: Path) -> None:
    save(tmp_path, pro_pulse(losses=["rec", "adv"]), pro_pulse())
    (view,) = views(tmp_path, "II", "propulse")
    assert not [line for line in view.rows for mark in line.marks if mark.text == "no L_id"]


def test_a_runtime_is_the_mean_of_the_test_set_and_flops_stand_by_both_rules(
    tmp_path: Path,
) -> None:
    pulse = pro_pulse()
    pulse |= {"method": "pulse", "label": "PULSE", "config": {"method": {"name": "pulse"}}}
    pulse["cost"] |= {"flops": 1.28e13, "flops_paper_rule": 1.93e13, "seconds_mean": 20.0}
    save(tmp_path, pro_pulse(), pulse)
    (view,) = views(tmp_path, "I", "propulse")
    heads = [head.name for head in view.heads]
    assert heads[-3:] == ["runtime_s", "FLOPs", "flops_paper_rule"]
    seconds, flops, by_rule = row(view, "PULSE").cells[-3:]
    assert (seconds.value, flops.value, by_rule.value) == (20.0, 1.28e13, 1.93e13)
    assert flops.printed is not None and flops.printed.value == 2.5e13 and by_rule.printed is None
    ours = row(view, "Pro-PULSE").cells[-3]
    assert ours.value == 0.07  # not the 0.5 s of one image
    assert ours.metric is not None and ours.metric["n"] == 5817
    assert ours.metric["settings"]["images_at_once"] == 1
