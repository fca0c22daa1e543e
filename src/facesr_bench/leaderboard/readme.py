"""``make tables``: the README's tables, made of the records committed in ``docs/records``.

    python -m facesr_bench.leaderboard.readme           write the tables into README.md
    python -m facesr_bench.leaderboard.readme --add RUN... copy records of runs to docs/records first

Between ``<!-- tables:NAME -->`` and ``<!-- /tables -->`` nothing is written by hand; a test fails when
what stands there is not what the records give.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facesr_bench.cli import exit_code_of
from facesr_bench.console import format_count, format_value
from facesr_bench.errors import DataError
from facesr_bench.images import write_atomically
from facesr_bench.leaderboard.model import Table
from facesr_bench.leaderboard.records import find_records
from facesr_bench.leaderboard.run_tables import run_tables
from facesr_bench.leaderboard.status import golden, with_golden
from facesr_bench.results import read_record, write_record

RECORDS = Path("docs") / "records"
_BLOCK = re.compile(r"(<!-- tables:(\w+) -->\n).*?(<!-- /tables -->)", re.DOTALL)
_ARROWS: dict[bool | None, str] = {True: "higher", False: "lower", None: ""}


def committed_tables(root: Path) -> list[Table]:
    """Tables of the committed records, one for each protocol.

    Args:
        root: of the checkout.
    """
    return run_tables(find_records([root / RECORDS]).records)


def upright(table: Table) -> str:
    """A table with a line for each metric: narrow enough for a README."""
    names = [row.name for row in table.rows]
    lines = [f"{table.title}:", "", _line(["metric", "better", *names, "HR"])]
    lines.append(f"|---|---|{'---:|' * (len(names) + 1)}")
    for place, head in enumerate(table.heads):
        cells = []
        for row in table.rows:
            cell = row.cells[place]
            text = format_value({"value": cell.value, "ci95": cell.ci95})
            cells.append(f"**{text}**" if cell.best else text)
        lines.append(
            _line([f"`{head.name}`", _ARROWS[head.higher_is_better], *cells, head.floor or "-"])
        )
    sizes = [format_count((row.record or {}).get("cost", {}).get("params")) for row in table.rows]
    lines.append(_line(["parameters", "", *sizes, ""]))
    for title, told in (
        ("weights", [str(row.division) for row in table.rows]),
        ("status", [row.status.name if row.status else "-" for row in table.rows]),
        ("marks", [", ".join(mark.text for mark in row.marks) or "-" for row in table.rows]),
    ):
        lines.append(_line([title, "", *told, ""]))
    return "\n".join(lines) + "\n"


def honesty(tables: Sequence[Table]) -> str:
    """What has and has not been reproduced: each method once for each protocol, with its reason.

    Methods that no record is of stand there too: they have no number to be trusted.
    """
    lines = [_line(["method", "protocol", "status", "why"]), "|---|---|---|---|"]
    for table in tables:
        for row in table.rows:
            if row.status is not None and table.protocol is not None:
                where = f"{table.protocol['name']}@{table.protocol['version']}"
                lines.append(_line([row.name, where, row.status.name, row.status.reason]))
    measured = {str(row.record["method"]) for table in tables for row in table.rows if row.record}
    for name in with_golden():
        if name not in measured:
            equal = (golden(name) or {})["equal"]
            why = f"equals its specification in {equal}; no whole run is recorded"
            lines.append(_line([name, "-", "golden-equal", why]))
    return "\n".join(lines) + "\n"


def written(readme: str, tables: Sequence[Table]) -> str:
    """The README with its blocks filled.

    Raises:
        DataError: a block of a name that is not known.
    """
    parts = {
        "leaderboard": lambda: "\n".join(map(upright, tables)),
        "status": lambda: honesty(tables),
    }

    def fill(match: re.Match[str]) -> str:
        if match[2] not in parts:
            raise DataError(
                f"README.md has a block tables:{match[2]}; known are {', '.join(parts)}."
            )
        return f"{match[1]}{parts[match[2]]()}{match[3]}"

    return _BLOCK.sub(fill, readme)


def add(root: Path, runs: Sequence[Path]) -> None:
    """Copy records of finished runs to ``docs/records``, without what is of one machine."""
    for run in runs:
        record = read_record(run / "result.json")
        folder = root / RECORDS / _name(record)
        folder.mkdir(parents=True, exist_ok=True)
        write_record(folder / "result.json", _portable(record))


def _name(record: Mapping[str, Any]) -> str:
    label = re.sub(r"[^\w.-]+", "_", str(record.get("label") or record["method"]))
    return f"{record['protocol']['name']}-{label}"


def _portable(record: Mapping[str, Any]) -> dict[str, Any]:
    """Absolute paths in the configuration become their last part."""
    text = json.dumps(record)
    text = re.sub(r'"(?:/[^"/]+)+/([^"/]+)"', r'"\1"', text)
    content: dict[str, Any] = json.loads(text)
    return content


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the tables of a checkout's README."""
    parser = argparse.ArgumentParser(prog="python -m facesr_bench.leaderboard.readme")
    parser.add_argument("--add", nargs="+", type=Path, default=[], metavar="RUN")
    parser.add_argument("--root", type=Path, default=Path(), help="of the checkout (default: here)")
    arguments = parser.parse_args(argv)
    add(arguments.root, arguments.add)
    path = arguments.root / "README.md"
    text = written(path.read_text(encoding="utf-8"), committed_tables(arguments.root))
    write_atomically(path, text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
