"""Every format shows every cell, and no name can break out of it."""

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from facesr_bench.leaderboard.formats import FORMATS
from facesr_bench.leaderboard.formats.latex import escape
from facesr_bench.leaderboard.model import Table
from facesr_bench.leaderboard.paper_tables import paper_tables
from facesr_bench.leaderboard.records import Found
from facesr_bench.leaderboard.run_tables import run_tables
from facesr_bench.papers import read_paper
from leaderboard.made_records import bicubic, metric, wider

HOSTILE = "=1+1|<script>alert(1)</script>&_%$#{}~^\\"


def tables(name: str = "mine") -> list[Table]:
    second = bicubic()
    second["metrics"]["lpips_alex"] = metric(0.3)
    return run_tables([(Path("a"), wider(label=name)), (Path("b"), second)])


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_shows_values_and_the_best(name: str) -> None:
    out = FORMATS[name](tables())
    assert "13.4" in out
    assert "bicubic" in out
    best = {
        "terminal": "13.40 [12.40, 14.40]*", "markdown": "**13.40 [12.40, 14.40]**",
        "csv": ",2000,True,", "latex": r"\textbf{13.40 [12.40, 14.40]}",
        "html": "<strong>13.40 [12.40, 14.40]</strong>",
    }  # fmt: skip
    assert best[name] in out


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_shows_a_papers_table(name: str) -> None:
    paper = read_paper("scgan")
    out = FORMATS[name](paper_tables(paper, paper.tables["5"], Found([(Path("a"), wider())])))
    for word in ("HifaceGAN", "157.34", "13.32", "not run"):
        assert word in out


def test_csv_has_a_line_for_every_cell_in_full_precision() -> None:
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](tables()))))
    (table,) = tables()
    assert len(rows) == len(table.heads) * len(table.rows)
    missing = [row for row in rows if row["state"] == "missing"]
    assert [(row["row"], row["column"]) for row in missing] == [("mine", "lpips_alex")]
    assert missing[0]["value"] == ""
    assert "did not measure" in missing[0]["reason"]
    kid = next(row for row in rows if row["column"].startswith("kid@"))
    assert float(kid["value"]) == 0.0109
    assert kid["protocol_hash"] == "a" * 64


def test_hostile_names_stay_text() -> None:
    told = {name: draw(tables(HOSTILE)) for name, draw in FORMATS.items()}
    parser = _Tags()
    parser.feed(told["html"])
    assert "script" not in parser.tags
    assert "alert(1)" in parser.text
    first, *_ = csv.DictReader(io.StringIO(told["csv"]))
    assert first["row"].startswith("'=")
    lines = [line for line in told["markdown"].splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    body = told["latex"].split(r"\midrule")[1].split(r"\bottomrule")[0]
    assert not re.search(r"(?<!\\)[_%#$](?!\\(?:up|down)arrow)", body.replace(r"$\pm$", ""))


def test_latex_is_balanced() -> None:
    out = FORMATS["latex"](tables())
    assert out.count(r"\begin{") == out.count(r"\end{")
    heads = next(line for line in out.splitlines() if line.startswith("method &"))
    body = out.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert {line.count(" & ") for line in body} == {heads.count(" & ")}
    assert escape("50 % of a_b") == r"50 \% of a\_b"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data
