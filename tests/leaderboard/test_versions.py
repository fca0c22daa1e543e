"""Versions of protocols: older records are shown as superseded, with the reason, and never dropped."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from command_line import ROOT
from facesr_bench.errors import ConfigError
from facesr_bench.leaderboard import protocols
from facesr_bench.leaderboard.formats.markdown import markdown
from facesr_bench.leaderboard.paper_tables import paper_tables
from facesr_bench.leaderboard.protocols import Protocol, bare_name, find_protocol
from facesr_bench.leaderboard.records import Found
from facesr_bench.leaderboard.run_tables import run_tables
from facesr_bench.papers import read_paper
from leaderboard.made_records import bicubic, wider


@pytest.fixture
def second_version(monkeypatch: pytest.MonkeyPatch) -> None:
    today = Protocol(
        "widerface",
        "scgan_widerface",
        2,
        {1: "first version", 2: "crops by another margin"},
        "scgan",
    )
    monkeypatch.setattr(protocols, "protocols", lambda: (today,))


def old_and_new() -> list[tuple[Path, dict[str, Any]]]:
    new = {"name": "scgan_widerface", "version": 2, "hash": "b" * 64}
    return [(Path("old"), wider(1.0)), (Path("new"), wider(13.4, protocol=new))]


@pytest.mark.usefixtures("second_version")
def test_an_older_record_is_superseded_with_the_reason_and_stays() -> None:
    old, new = run_tables(old_and_new())
    assert old.rows[0].superseded == (
        "made under scgan_widerface@1, which is @2 now: crops by another margin"
    )
    assert new.rows[0].superseded is None
    assert not any(cell.best for cell in old.rows[0].cells)
    out = markdown([old])
    assert "| scgan (superseded) | 1.0000" in out
    assert "superseded (scgan): made under scgan_widerface@1" in out


@pytest.mark.usefixtures("second_version")
def test_a_paper_shows_today_first_and_the_old_one_below() -> None:
    paper = read_paper("scgan")
    tables = paper_tables(paper, paper.tables["5"], Found(old_and_new()))
    first, second = (table for table in tables if "; Widerface" in table.title)
    assert "scgan_widerface@2" in first.title
    assert "scgan_widerface@1" in second.title
    (row,) = (row for row in second.rows if row.record)
    assert row.superseded
    assert row.status is not None
    assert row.status.name == "golden-equal"  # an old record speaks for nothing of today


def test_names_cut_down_belong_to_their_protocol() -> None:
    assert bare_name("tiny-16") == "tiny"
    assert bare_name("dap_celeba_to_yaleb-1shot") == "dap_celeba_to_yaleb"
    found = find_protocol("scgan_authors_LS3D-w_balanced")
    assert found is not None
    assert (found.choice, found.training) == ("scgan_webface", "scgan")
    assert find_protocol("a folder of images") is None


def test_every_protocol_has_a_changelog() -> None:
    known = {protocol.choice: protocol for protocol in protocols.protocols()}
    for path in (ROOT / "conf" / "data").glob("*.yaml"):
        assert path.stem in known
        changes = yaml.safe_load(path.read_text(encoding="utf-8"))["changes"]
        assert list(changes) == list(range(1, known[path.stem].version + 1))


def test_a_version_without_its_change_is_refused() -> None:
    content = {"name": "x", "version": 2, "changes": {1: "first version"}}
    with pytest.raises(ConfigError, match="tell of versions 1 to 2"):
        protocols._protocol("x", content)
    assert protocols._protocol("x", {"name": "x", "version": 1}).changes == {1: "first version"}


def test_a_baseline_is_superseded_too(second_version: None) -> None:
    assert run_tables([(Path(), bicubic())])[0].rows[0].superseded
