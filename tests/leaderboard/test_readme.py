"""The README's tables are what the committed records give, and old records load for good."""

import json
from pathlib import Path

import pytest

from command_line import ROOT
from facesr_bench.errors import DataError
from facesr_bench.leaderboard.formats import FORMATS
from facesr_bench.leaderboard.readme import RECORDS, committed_tables, honesty, main, written
from facesr_bench.leaderboard.records import find_records
from facesr_bench.leaderboard.run_tables import run_tables

OLD = Path(__file__).parent / "old_records"


def test_the_readme_is_what_the_records_give() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("<!-- tables:") == 2
    assert written(text, committed_tables(ROOT)) == text, "run `make tables`"


def test_a_changed_record_is_noticed(tmp_path: Path) -> None:
    for path in (ROOT / RECORDS).rglob("result.json"):
        record = json.loads(path.read_text())
        record["metrics"]["psnr_rgb"]["value"] += 0.01
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True)
        copy.write_text(json.dumps(record))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert written(text, committed_tables(tmp_path)) != text
    (tmp_path / "README.md").write_text(text)
    assert main(["--root", str(tmp_path)]) == 0
    assert (tmp_path / "README.md").read_text() != text


def test_a_method_without_a_record_is_named_as_such() -> None:
    told = honesty(committed_tables(ROOT))
    assert "| pan | - | golden-equal | equals its specification in parameter counts" in told
    assert "no whole run is recorded" in told
    assert told.count("| pulse |") == 1
    assert told.count("| bicubic | - |") == 0


def test_committed_records_name_no_machine() -> None:
    for path in (ROOT / RECORDS).rglob("result.json"):
        text = path.read_text()
        assert '"/' not in text, path
        assert json.loads(text)["protocol"]["hash"]


def test_an_unknown_block_is_a_sentence() -> None:
    with pytest.raises(DataError, match="tables:colours"):
        written("<!-- tables:colours -->\n<!-- /tables -->", [])


def test_old_records_load_and_are_rows() -> None:
    """Left by the commits their folders are named after; they hold fewer keys than today's."""
    found = find_records([OLD])
    assert found.unreadable == []
    assert len(found.records) >= 12
    lacking = [record for _, record in found.records if "test_overlap" not in record]
    assert len(lacking) == len(found.records)
    tables = run_tables(found.records)
    assert sum(len(table.rows) for table in tables) == len(found.records)
    for draw in FORMATS.values():
        assert draw(tables)
