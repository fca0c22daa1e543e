"""The papers' numbers: all there, in the printed precision, and every row told from every other."""

import copy
from importlib.resources import files
from typing import Any

import pytest
import yaml

from facesr_bench.errors import ConfigError
from facesr_bench.papers import Paper, find_table, paper_names, read_paper
from facesr_bench.papers.contents import Tolerance
from facesr_bench.papers.reading import parse_paper


def numbers(paper: Paper) -> list[float]:
    return [
        number
        for table in paper.tables.values()
        for block in table.blocks
        for row in block.rows.values()
        for cell in row.values()
        for number in (cell.value, cell.deviation)
        if number is not None
    ]


@pytest.mark.parametrize(
    ("name", "count", "total"),
    [("scgan", 516, None), ("pan", 60, None), ("propulse", 36, None), ("dap_fsr", 152, None)],
)
def test_all_numbers_are_there(name: str, count: int, total: float | None) -> None:
    assert len(numbers(read_paper(name))) == count


def test_tables_of_one_paper_agree() -> None:
    """SCGAN's own row is printed in five tables, with the same numbers in each."""
    paper = read_paper("scgan")
    seen: dict[tuple[str, str], set[str]] = {}
    for number in "12345":
        for block in paper.tables[number].blocks:
            for column, cell in block.rows["SCGAN"].items():
                text = cell.text(paper.columns[column])
                seen.setdefault((block.benchmark.name, column), set()).add(text)
    assert len(seen) == 12
    assert all(len(texts) == 1 for texts in seen.values())
    assert seen["Widerface", "NIQE"] == {"6.6192"}
    assert seen["LS3D-W balanced", "KIDx100"] == {"1.26 ± 0.06"}


def test_printed_precision() -> None:
    scgan, propulse = read_paper("scgan"), read_paper("propulse")
    loss = find_table(scgan, "3").blocks[0].rows["SCGAN-w/o-AL"]
    assert loss["FID"].text(scgan.columns["FID"]) == "235.60"
    pulse = find_table(propulse, "1").blocks[0].rows["PULSE"]
    assert pulse["FLOPs"].text(propulse.columns["FLOPs"]) == "2.5e+13"
    assert find_table(propulse, "II") is find_table(propulse, "2")


@pytest.mark.parametrize("name", paper_names())
def test_no_record_is_two_rows_of_a_block(name: str) -> None:
    """Within a block the rows of the suite's methods differ in method, a switch or the adaptation."""
    paper = read_paper(name)
    for table in paper.tables.values():
        for block in table.blocks:
            ours = [paper.rows[row] for row in block.rows if paper.rows[row].method]
            for who in ours:
                for strategy in who.adaptation or (None,):
                    record: dict[str, Any] = {
                        "method": who.method,
                        "label": who.method,
                        "config": {"method": dict(who.switches)},
                        "adaptation": None if strategy is None else {"strategy": strategy},
                    }
                    assert [other.name for other in ours if paper.is_row(other, record)] == [
                        who.name
                    ]


def test_critics_may_be_named_in_any_order_and_as_all_or_none() -> None:
    paper = read_paper("scgan")
    record = {"method": "scgan", "config": {"method": dict(paper.rows["SCGAN"].switches)}}

    def rows(adv: Any) -> list[str]:
        record["config"]["method"]["adv"] = adv  # type: ignore[index]
        return [
            name for name, who in paper.rows.items() if paper.is_row(who, record | {"label": ""})
        ]

    assert rows(["H2", "L2", "H1", "L1"]) == ["SCGAN"]
    assert rows(["H2", "H1"]) == ["l_adv-2-1"]
    assert rows([]) == rows(False) == ["SCGAN-w/o-AL", "l_adv-4-1"]


def test_switches_are_arguments_of_the_methods() -> None:
    """A switch that a method has not would match no record, ever; the default is the method's own."""
    for name in paper_names():
        text = (files("facesr_bench.papers") / f"{name}.yaml").read_text(encoding="utf-8")
        for method, facts in yaml.safe_load(text)["methods"].items():
            path = files("facesr_bench.conf") / "method" / f"{method}.yaml"
            declared = yaml.safe_load(path.read_text(encoding="utf-8"))
            for switch, value in facts["switches"].items():
                assert declared[switch] == value, (method, switch)


def broken(change: str) -> dict[str, Any]:
    text = (files("facesr_bench.papers") / "pan.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = copy.deepcopy(yaml.safe_load(text))
    rows = content["tables"]["1"]["blocks"][0]["rows"]
    if change == "row":
        rows["EDSR"] = rows["CARN"]
    elif change == "column":
        rows["CARN"]["LPIPS"] = 0.1
    elif change == "number":
        rows["CARN"]["PSNR"] = "31,54"
    elif change == "switch":
        content["rows"]["L1 loss"]["switches"] = {"loss": "l1"}
    elif change == "unused":
        content["rows"]["EDSR"] = {}
    elif change == "headline":
        content["headline"]["row"] = "CARN"
    elif change == "better":
        content["columns"]["PSNR"]["better"] = "up"
    else:
        del content["benchmarks"]
    return content


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("row", "row EDSR"), ("column", "column LPIPS"), ("number", "CARN, PSNR"),
        ("switch", "loss is not among"), ("unused", "no table has: EDSR"),
        ("headline", "'CARN' of table 2"), ("better", "column PSNR"), ("benchmarks", "benchmarks"),
    ],
)  # fmt: skip
def test_what_does_not_hang_together_is_named(change: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_paper(broken(change), "pan.yaml")


def test_unknown_papers_and_tables_are_sentences() -> None:
    with pytest.raises(ConfigError, match="choose dap_fsr, pan, propulse, scgan"):
        read_paper("srgan")
    with pytest.raises(ConfigError, match="has no table 8"):
        find_table(read_paper("scgan"), "8")


def test_a_share_is_of_the_size_of_the_printed_number() -> None:
    """Also below zero, where a share of the number itself would let nothing pass."""
    assert Tolerance(0.05, relative=True).of(-20.0) == pytest.approx(1.0)
    assert Tolerance(0.05, relative=False).of(-20.0) == 0.05
    tolerance = read_paper("scgan").columns["FID"].tolerance  # "5 %" in the file
    assert tolerance is not None and tolerance.of(13.32) == pytest.approx(0.666)
