"""Experiments of papers' tables: every row is run as what it is, and a second go runs nothing twice."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_module

from command_line import ROOT
from facesr_bench.config import plain, register_resolvers
from facesr_bench.errors import ConfigError
from facesr_bench.experiments.note import note_finished
from facesr_bench.experiments.plan import Cell, left_out, plan
from facesr_bench.experiments.sweep import Sweep, _words
from facesr_bench.experiments.words import loosened
from facesr_bench.papers import find_table, paper_names, read_paper

EXPERIMENTS = sorted(
    path.relative_to(ROOT / "conf" / "experiment").with_suffix("").as_posix()
    for path in (ROOT / "conf" / "experiment").glob("*/table*.yaml")
)
ALREADY = {
    "C + Predict offset scale": "DAP-FSR, source only",
    "F + Constrained adaptation": "DAP-FSR",
}
"""Rows that are those of another table: one run serves both."""


def table_of(experiment: str) -> dict[str, Any]:
    """The block as Hydra composes it: what the paper's tables share, and this one's over it."""
    own = yaml.safe_load((ROOT / "conf" / "experiment" / f"{experiment}.yaml").read_text())
    paper = experiment.split("/", maxsplit=1)[0]
    shared = yaml.safe_load((ROOT / "conf" / "table" / f"{paper}.yaml").read_text())
    return {**shared, **own["table"]}


def value_of(word: str) -> tuple[str, Any]:
    key, _, value = word.partition("=")
    return key, yaml.safe_load(value)


def test_every_printed_table_has_its_experiment() -> None:
    told = {t.experiment for name in paper_names() for t in read_paper(name).tables.values()}
    assert told == set(EXPERIMENTS)
    for experiment in EXPERIMENTS:
        table = table_of(experiment)
        paper = read_paper(table["paper"])
        assert find_table(paper, table["number"]).experiment == experiment


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_row_of_the_suite_is_run_with_its_switches(experiment: str) -> None:
    table = table_of(experiment)
    paper = read_paper(table["paper"])
    printed = find_table(paper, table["number"])
    rows = {name for block in printed.blocks for name in block.rows if paper.rows[name].method}
    cells = table["cells"]
    for name in rows:
        who, words = paper.rows[name], cells[ALREADY.get(name, name)]["run"]
        chosen = dict(value_of(word) for word in words if word.startswith("method."))
        defaults = dict(who.switches)
        default = next(w for w in paper.rows.values() if w.method == who.method)
        config = {**default.switches} | {k.removeprefix("method."): v for k, v in chosen.items()}
        if who.method == "pan" and "method.pool" not in chosen:
            config["pool"] = 1
        strategy = dict(map(value_of, words)).get("adaptation.strategy")
        record = {
            "method": who.method,
            "config": {"method": config},
            "adaptation": None if strategy is None else {"strategy": strategy},
        }
        assert f"+method={who.method}" in words
        assert paper.is_row(who, record), (name, config, defaults)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_data_are_those_of_the_blocks_and_exist(experiment: str) -> None:
    table = table_of(experiment)
    for cell in plan(table, "full", Path("runs"), []):
        (data,) = (word.split("=")[1] for word in cell.overrides if word.startswith("+data="))
        assert (ROOT / "conf" / "data" / f"{data}.yaml").is_file()
    for cell in plan(table, "smoke", Path("runs"), ["scale=smoke"]):
        assert any(word.startswith("+data=tiny") for word in cell.overrides)


def overrides(cells: Sequence[Cell], name: str) -> set[str]:
    (found,) = (cell for cell in cells if cell.name == name)
    return set(found.overrides)


def test_a_row_is_trained_once_and_its_weights_are_tested_on_the_other_sets() -> None:
    cells = plan(table_of("scgan/table1"), "full", Path("r"), ["trainer=gpu", "metrics=all"])
    assert len(cells) == 4 + 16
    trained = [cell for cell in cells if cell.stage != "test"]
    assert {cell.stage for cell in trained} == {"fit"}  # no test set has to be there for it
    assert [cell.folder for cell in trained] == [
        Path("r/SCGAN-w_o-D_SL/training"), Path("r/SCGAN-w_o-D_HL/training"),
        Path("r/SCGAN-fc/training"), Path("r/SCGAN/training"),
    ]  # fmt: skip
    for data in ("scgan_ls3dw", "scgan_ffhq", "widerface", "scgan_webface"):
        tested = next(cell for cell in cells if cell.name == f"SCGAN on {data}")
        assert tested.weights == Path("r/SCGAN/training")
    assert {"stage=test", "trainer=gpu", "metrics=all"} <= set(tested.overrides)
    assert "metrics=paper" not in tested.overrides


def test_tables_share_their_runs() -> None:
    """SCGAN itself stands in Tables 1 to 7; it is asked for in the same words in each."""
    asked = set()
    for number in "1234567":
        cells = plan(table_of(f"scgan/table{number}"), "full", Path("r"), [])
        asked |= {c.overrides for c in cells if c.folder == Path("r/SCGAN/training")}
    assert len(asked) == 1


def test_rows_that_are_one_run_are_trained_once() -> None:
    """w/o-AL of Table 3 and l_adv-4-1 of Table 4: whichever table comes first trains it."""
    asked: dict[Path, set[frozenset[str]]] = {}
    for number, name in (("3", "SCGAN-w/o-AL"), ("4", "l_adv-4-1")):
        cells = plan(table_of(f"scgan/table{number}") | {"only": [name]}, "full", Path("r"), [])
        for cell in cells:
            words = {w for w in cell.overrides if not w.startswith(("label=", "table.cell="))}
            asked.setdefault(cell.folder, set()).add(frozenset(words))
    assert all(len(words) == 1 for words in asked.values())
    assert {folder.parent for folder in asked} == {Path("r/SCGAN-w_o-AL")}
    paper = read_paper("scgan")
    switches = dict(paper.rows["SCGAN"].switches) | {"adv": False}
    record = {"method": "scgan", "config": {"method": switches}, "adaptation": None}
    assert paper.is_row(paper.rows["SCGAN-w/o-AL"], record)
    assert paper.is_row(paper.rows["l_adv-4-1"], record)


def test_a_training_that_was_begun_with_its_first_test_set_goes_on_so(tmp_path: Path) -> None:
    before = tmp_path / "SCGAN" / "scgan_ls3dw"
    (before / "checkpoints").mkdir(parents=True)
    (before / "checkpoints" / "last.ckpt").touch()
    table = table_of("scgan/table1") | {"only": ["SCGAN"]}
    cells = plan(table, "full", tmp_path, [])
    assert [cell.stage for cell in cells] == ["fit_test", "test", "test", "test"]
    assert {cell.weights for cell in cells[1:]} == {before}


def test_what_the_user_changes_of_a_method_is_a_run_of_its_own() -> None:
    words = ["method.cycle_grad=backward"]
    table = table_of("scgan/table5")
    cells = plan(table, "full", Path("r"), words)
    changed = next(cell for cell in cells if cell.name == "SCGAN on widerface")
    assert changed.folder == Path("r/SCGAN_cycle_grad_backward/widerface")
    assert changed.weights == Path("r/SCGAN_cycle_grad_backward/training")
    assert {"label='SCGAN, cycle_grad=backward'", *words} <= set(changed.overrides)
    bicubic = next(cell for cell in cells if cell.name == "Bicubic Interpolation on widerface")
    assert bicubic.folder == Path("r/Bicubic_Interpolation/widerface")
    assert not any(word.startswith("method.") for word in bicubic.overrides)
    with pytest.raises(ConfigError, match="of table 5 has 'cycel_grad', which"):
        plan(table, "full", Path("r"), ["method.cycel_grad=x"])


def test_adaptation_takes_the_encoder_of_its_own_benchmark() -> None:
    cells = plan(table_of("dap_fsr/table1"), "full", Path("r"), [])
    order = [cell.folder for cell in cells]
    for cell in cells:
        assert all(order.index(folder) < order.index(cell.folder) for folder in cell.needs)
    adapted = next(c for c in cells if c.name == "DAP-FSR on dap_celeba_to_multipie")
    assert adapted.weights == Path("r/encoder/dap_celeba_to_yaleb")  # trained on the same images
    assert adapted.prior == Path("r/prior/dap_celeba_to_yaleb")
    trained = [cell.name for cell in cells if cell.name.startswith(("prior", "encoder"))]
    assert trained == [
        f"{what} on {data}"
        for what in ("prior", "encoder")
        for data in ("dap_celeba_to_yaleb", "dap_multipie_to_yaleb")
    ]
    last = next(c for c in cells if c.name == "DAP-FSR on dap_multipie_to_yaleb")
    assert last.weights == Path("r/encoder/dap_multipie_to_yaleb")
    smoke = plan(table_of("dap_fsr/table1"), "smoke", Path("r"), [])
    assert not any(cell.prior or cell.name.startswith("prior") for cell in smoke)


def test_data_that_share_a_training_have_the_same_training_images() -> None:
    for experiment in EXPERIMENTS:
        for pair in (table_of(experiment).get("same_training") or {}).items():
            one, other = (
                yaml.safe_load((ROOT / "conf" / "data" / f"{data}.yaml").read_text())
                for data in pair
            )
            assert one["source"]["train"] == other["source"]["train"]
            assert one["defaults"] == other["defaults"]


def test_some_cells_bring_those_they_need() -> None:
    table = table_of("pan/table1") | {"only": ["PAN pooled"]}
    assert [cell.name for cell in plan(table, "full", Path("r"), [])] == [
        "PAN on pan_celebahq_x8", "PAN pooled on pan_celebahq_x4"
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="no cell 'EDSR'"):
        plan(table | {"only": ["EDSR"]}, "full", Path("r"), [])
    with pytest.raises(ConfigError, match="needs run"):
        plan(table | {"cells": {"x": {"ran": []}}, "only": None}, "full", Path("r"), [])


FIGURES = sorted(
    path.relative_to(ROOT / "conf" / "experiment").with_suffix("").as_posix()
    for path in (ROOT / "conf" / "experiment").glob("*/figure*.yaml")
)


@pytest.mark.parametrize("experiment", FIGURES)
def test_figures_run_on_data_there_are_at_both_scales(experiment: str) -> None:
    test_data_are_those_of_the_blocks_and_exist(experiment)
    table = table_of(experiment)
    assert (table["number"], table["paper"]) == (
        f"Fig. {experiment.partition('figure')[2]}", experiment.partition("/")[0]
    )  # fmt: skip
    assert plan(table, "smoke", Path("runs"), [])


@pytest.mark.parametrize(
    ("experiment", "run", "expected"),
    [
        ("table1", "ESRGAN on pan_celebahq_x4", {"checkpoint": "others/ESRGAN_x4.pth"}),
        ("table1", "CARN on pan_celebahq_x4", {"name": "images", "dir": "others/CARN"}),
        ("table1", "RCAN on pan_celebahq_x4", {"checkpoint": "others/RCAN_BIX4.pt"}),
        ("figure5b", "RCAN on pan_celebahq_x2", {"checkpoint": "others/RCAN_BIX2.pt", "factor": 2}),
        ("figure5b", "PAN at each scale on pan_celebahq_x8", {"name": "pan", "hr_size": 1024}),
        ("figure9", "skips to 64 on pan_celebahq_x2", {"skip_resolutions": [8, 16, 32, 64]}),
        ("figure9", "no skips on pan_celebahq_x2", {"skip_resolutions": [], "hr_size": 256}),
        ("figure10", "PAN on cats on pan_lsun_cat_x4", {"name": "pan", "factor": 4}),
        ("figure11", "PAN trained on degraded on pan_celebahq_x4", {"degradation": "Online"}),
    ],
)
def test_pans_figures_are_what_the_paper_shows(
    experiment: str, run: str, expected: dict[str, Any]
) -> None:
    cells = plan(table_of(f"pan/{experiment}"), "full", Path("runs"), [])
    (cell,) = (cell for cell in cells if cell.name == run)
    register_resolvers()
    with initialize_config_module("facesr_bench.conf", version_base="1.3"):
        words = [f"experiment=pan/{experiment}", "logger=none", *cell.overrides]
        config = plain(compose("config", words))
    found = config["method"] | {
        "degradation": config["data"]["degradation"]["_target_"].rpartition(".")[2]
    }
    assert {name: found[name] for name in expected} == expected


def test_skips_are_dropped_one_by_one_the_finest_first() -> None:
    cells = plan(table_of("pan/figure9"), "full", Path("r"), [])
    kept = [
        value_of(word)[1]
        for cell in cells
        for word in cell.overrides
        if word.startswith("method.skip_resolutions=")
    ]
    assert kept == [[8, 16, 32, 64][:n] for n in (4, 3, 2, 1, 0)]


def test_a_row_that_cannot_run_on_the_embedded_faces_is_left_out_at_smoke_only() -> None:
    table = table_of("propulse/figure10")
    assert list(left_out(table)) == ["DIC", "DICGAN"]
    small, whole = (plan(table, scale, Path("r"), []) for scale in ("smoke", "full"))
    gone = {cell.name.split(" on ")[0] for cell in whole} - {
        cell.name.split(" on ")[0] for cell in small
    }
    assert gone == {"DIC", "DICGAN"}
    assert not left_out(table_of("propulse/table2"))  # an identity network comes with the package


@pytest.mark.parametrize("scale", ["full", "smoke"])
@pytest.mark.parametrize("experiment", FIGURES)
def test_every_cell_of_a_figure_composes(experiment: str, scale: str) -> None:
    """With the settings that the figure is about, and on data that there are."""
    from hydra import compose, initialize_config_module

    from facesr_bench.config import plain, register_resolvers

    register_resolvers()
    found = {}
    with initialize_config_module("facesr_bench.conf", version_base="1.3"):
        for cell in plan(table_of(experiment), scale, Path("r"), [f"scale={scale}"]):
            words = [word for word in cell.overrides if not word.startswith("table.")]
            config = compose(
                "config", [f"experiment={experiment}", *words, f"scale={scale}", "logger=none"]
            )
            found[cell.name.split(" on ")[0]] = plain(config)
    method = {name: settings["method"] for name, settings in found.items()}
    data = {name: settings["data"] for name, settings in found.items()}
    if experiment == "propulse/figure12":
        weights = {
            name: (m["rec_weight"], m["id_weight"], m["adv_weight"]) for name, m in method.items()
        }
        assert weights == {
            "Pro-PULSE": (1, 1, 0.01), "10 L_rec": (10, 1, 0.01),
            "10 L_id": (1, 10, 0.01), "10 L_adv": (1, 1, 0.1),
        }  # fmt: skip
    elif experiment == "propulse/figure14":
        assert all(m["identity"] is None for m in method.values())
        full = {"cat": (256, 16), "church": (256, 16), "anime": (512, 32)}
        sizes = {name: (d["hr_size"], d["factor"]) for name, d in data.items()}
        assert sizes == (full if scale == "full" else {"cat": (64, 4)})
    elif experiment == "propulse/figure10":
        side = (128, 8) if scale == "full" else (32, 2)
        assert {(d["hr_size"], d["factor"]) for n, d in data.items() if n != "Pro-PULSE"} == {side}
        others = {n: m["dir"] for n, m in method.items() if m["name"] == "images"}
        assert others == (
            {"DIC": "images/DIC", "DICGAN": "images/DICGAN"} if scale == "full" else {}
        )


class Machine:
    """Runs jobs by leaving what a run leaves; some methods fail."""

    def __init__(self, fails: str = "nothing") -> None:
        self.batches: list[list[list[str]]] = []
        self.fails = fails

    def __call__(self, jobs: Sequence[Sequence[str]]) -> None:
        self.batches.append([list(job) for job in jobs])
        for job in jobs:
            self._run(job)

    def _run(self, job: Sequence[str]) -> None:
        folder = Path(
            next(w for w in job if w.startswith("output_dir=")).removeprefix("output_dir=")
        )
        checkpoint = folder / "checkpoints" / "last.ckpt"
        if "stage=test" not in job:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            checkpoint.touch()
        if self.fails in str(folder):
            log = "DEBUG facesr_bench: The run failed.\nTraceback (most recent call last):\n"
            (folder / "run.log").write_text(log + "facesr_bench.errors.DataError: gone.\n")
            return
        if "stage=fit" not in job:
            (folder / "result.json").touch()
        note_finished(folder)


def go(root: Path, machine: Machine, *user: str, experiment: str = "scgan/table1") -> Sweep:
    sweep = Sweep(plan(table_of(experiment), "full", root, user), machine)
    sweep.run()
    return sweep


def test_weights_first_then_their_tests_then_nothing(tmp_path: Path) -> None:
    machine = Machine()
    first = go(tmp_path, machine)
    assert [len(batch) for batch in machine.batches] == [4, 16]
    assert f"ckpt={tmp_path}/SCGAN/training/checkpoints/last.ckpt" in machine.batches[1][-1]
    assert (len(first.ran), first.failed) == (20, {})
    again = go(tmp_path, machine)
    assert (len(again.kept), len(machine.batches)) == (20, 2)
    assert "20 runs: 20 kept from before, 0 ran, 0 without a result." in again.summary()


def test_a_test_set_that_is_not_at_hand_costs_its_own_rows_only(tmp_path: Path) -> None:
    """LS3D-W stands first in every table; without it the other sets' rows are filled."""
    first = go(tmp_path, Machine(fails="scgan_ls3dw"))
    assert len(first.ran) == 4 + 12
    assert set(first.failed) == {
        f"{name} on scgan_ls3dw" for name in table_of("scgan/table1")["cells"]
    }


def test_a_failed_run_costs_only_what_needs_it_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    machine = Machine(fails="SCGAN-fc")
    first = go(tmp_path, machine)
    assert len(first.ran) == 15
    assert len(first.failed) == 5
    assert first.failed["SCGAN-fc, training"] == "DataError: gone."
    assert "the run it needs has not ended well" in first.failed["SCGAN-fc on widerface"]
    machine = Machine()
    second = go(tmp_path, machine)
    assert (len(second.kept), len(second.ran)) == (15, 5)
    assert f"ckpt={tmp_path}/SCGAN-fc/training/checkpoints/last.ckpt" in machine.batches[0][0]


def test_a_finished_run_of_other_settings_is_named_and_not_taken(tmp_path: Path) -> None:
    go(tmp_path, Machine())
    other = go(tmp_path, Machine(), "seed=7")
    assert (other.kept, len(other.failed)) == ([], 20)
    assert "finished run of other settings (seed=7)" in other.failed["SCGAN on scgan_ffhq"]
    instead = go(tmp_path, Machine(), "metrics=all")  # of metrics=paper: as many words as before
    assert (instead.kept, len(instead.failed)) == ([], 20)
    where = go(tmp_path, Machine(), "trainer=gpu", "logger=none", "keep_epochs=[7]")
    assert len(where.kept) == 20  # what a result does not depend on


def test_a_prior_leaves_no_record_and_is_kept_all_the_same(tmp_path: Path) -> None:
    machine = Machine()
    go(tmp_path, machine, experiment="dap_fsr/table3")
    assert [len(batch) for batch in machine.batches] == [1, 1, 4]
    assert (
        f"method.prior.path={tmp_path}/prior/dap_celeba_to_yaleb/checkpoints/last.ckpt"
        in (machine.batches[2][0])
    )
    assert len(go(tmp_path, machine, experiment="dap_fsr/table3").kept) == 6


def test_weights_of_another_run_come_before_what_an_attempt_of_its_own_left(tmp_path: Path) -> None:
    own = tmp_path / "own" / "checkpoints" / "last.ckpt"
    own.parent.mkdir(parents=True)
    own.touch()
    told = {None: f"ckpt={own}", tmp_path / "a": f"ckpt={tmp_path}/a/checkpoints/last.ckpt"}
    for weights, word in told.items():
        found = _words(Cell("cell", tmp_path / "own", ("+method=pan",), weights))
        assert found == ["+method=pan", word]


def test_only_the_words_of_a_tables_cells_are_kept_from_hydra() -> None:
    """A table as such has no method; a run, and a recipe that names one, have."""
    words = ["-m", "experiment=scgan/table1", "method.cycle_grad=full", "seed=1", "+data.x=1"]
    assert loosened(words, ()) == {"++method.cycle_grad=full": "method.cycle_grad=full"}
    assert loosened(words[1:], ()) == {}
    assert loosened(["-m", "experiment=demo/scgan", "method.cycle_grad=full"], ()) == {}
    assert loosened(["-m", "+method=scgan", "method.cycle_grad=full"], ()) == {}
