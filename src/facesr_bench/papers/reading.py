"""Reading ``papers/<name>.yaml``. What does not hang together is an error that names the place."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from facesr_bench.errors import ConfigError
from facesr_bench.papers.contents import (
    Benchmark,
    Block,
    Lack,
    Paper,
    PaperTable,
    Printed,
    PrintedColumn,
    Tolerance,
    WhoIs,
)

_WITH_DEVIATION = re.compile(r"^([\d.]+) ± ([\d.]+)$")
_BETTER = {"higher": True, "lower": False}


def paper_names() -> list[str]:
    """Papers whose tables are in the package."""
    folder = files("facesr_bench.papers")
    return sorted(
        p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml")
    )


@cache
def read_paper(name: str) -> Paper:
    """The tables of a paper.

    Raises:
        ConfigError: no such paper, or a file that is not sound.
    """
    if name not in paper_names():
        raise ConfigError(
            f"There are no tables of a paper {name!r}; choose {', '.join(paper_names())}."
        )
    text = (files("facesr_bench.papers") / f"{name}.yaml").read_text(encoding="utf-8")
    return parse_paper(yaml.safe_load(text), f"papers/{name}.yaml")


def parse_paper(content: Mapping[str, Any], where: str) -> Paper:
    """A paper from the content of its file.

    Args:
        content: of the YAML.
        where: for messages.

    Raises:
        ConfigError: something is missing, unknown or not a number; with the place.
    """
    try:
        columns = {key: _column(key, value, where) for key, value in content["columns"].items()}
        methods = content["methods"]
        rows = {
            str(key): _who(str(key), value or {}, methods, where)
            for key, value in content["rows"].items()
        }
        benchmarks = {key: _benchmark(key, value) for key, value in content["benchmarks"].items()}
        tables = {
            str(number): _table(str(number), value, columns, rows, benchmarks, where)
            for number, value in content["tables"].items()
        }
        same = {
            method: {
                switch: list(pairs.items()) for switch, pairs in (facts.get("same") or {}).items()
            }
            for method, facts in methods.items()
        }
        lacks = {
            method: [Lack(m["when"], str(m["mark"]), str(m["why"])) for m in facts.get("marks", ())]
            for method, facts in methods.items()
        }
        headline = (str(content["headline"]["table"]), str(content["headline"]["row"]))
        paper = Paper(
            content["name"], content["title"], content["source"], tuple(content["notes"]), columns,
            rows, same, tables, headline, lacks,
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{where} is not sound: {type(error).__name__}: {error}.") from error
    number, row = headline
    if number not in tables or not any(row in block.rows for block in tables[number].blocks):
        raise ConfigError(f"{where}: the headline, row {row!r} of table {number}, is not there.")
    used = {name for table in tables.values() for block in table.blocks for name in block.rows}
    if set(rows) - used:
        raise ConfigError(
            f"{where}: rows that no table has: {', '.join(sorted(set(rows) - used))}."
        )
    return paper


def _column(name: str, facts: Mapping[str, Any], where: str) -> PrintedColumn:
    decimals, significant = facts.get("decimals"), facts.get("significant")
    if (decimals is None) == (significant is None) or facts["better"] not in _BETTER:
        raise ConfigError(
            f"{where}, column {name}: give better (higher or lower) and either decimals or significant."
        )
    tolerance = facts["tolerance"]
    if isinstance(tolerance, str):
        tolerance = Tolerance(float(tolerance.removesuffix("%")) / 100, relative=True)
    elif tolerance is not None:
        tolerance = Tolerance(float(tolerance), relative=False)
    return PrintedColumn(
        name, tuple(facts["keys"]), float(facts.get("times", 1)), _BETTER[facts["better"]], decimals,
        significant, tolerance,
    )  # fmt: skip


def _who(
    name: str, facts: Mapping[str, Any], methods: Mapping[str, Mapping[str, Any]], where: str
) -> WhoIs:
    method = facts.get("method")
    defaults = methods.get(method, {}).get("switches", {}) if method else {}
    switches = facts.get("switches", {})
    if set(switches) - set(defaults):
        unknown = ", ".join(sorted(set(switches) - set(defaults)))
        raise ConfigError(f"{where}, row {name}: {unknown} is not among the switches of {method}.")
    adaptation = tuple(facts.get("adaptation", ()))
    return WhoIs(
        name, str(facts.get("prints", name)), method, {**defaults, **switches}, adaptation,
        bool(facts.get("hr", False)), str(facts.get("why", "")),
    )  # fmt: skip


def _benchmark(name: str, facts: Mapping[str, Any]) -> Benchmark:
    return Benchmark(name, tuple(facts["protocols"]), facts.get("images"), str(facts["differs"]))


def _table(
    number: str,
    facts: Mapping[str, Any],
    columns: Mapping[str, PrintedColumn],
    rows: Mapping[str, WhoIs],
    benchmarks: Mapping[str, Benchmark],
    where: str,
) -> PaperTable:
    blocks = []
    for block in facts["blocks"]:
        place = f"{where}, table {number}, {block['benchmark']}"
        cells = {str(row): _cells(values, place, str(row)) for row, values in block["rows"].items()}
        # Columns beside the printed ones hold what we measure and the paper does not print.
        used = list(dict.fromkeys(column for values in cells.values() for column in values))
        used += [str(name) for name in block.get("beside", ())]
        for what, names, known in (("row", cells, rows), ("column", used, columns)):
            if set(names) - set(known):
                lost = ", ".join(sorted(set(names) - set(known)))
                raise ConfigError(f"{place}: the {what} {lost} is not described in this file.")
        if block["benchmark"] not in benchmarks:
            raise ConfigError(f"{place}: that benchmark is not described in this file.")
        blocks.append(Block(benchmarks[block["benchmark"]], block.get("part"), tuple(used), cells))
    return PaperTable(number, str(facts["title"]), str(facts["experiment"]), tuple(blocks))


def _cells(values: Mapping[str, Any], place: str, row: str) -> dict[str, Printed]:
    return {
        column: _printed(value, f"{place}, {row}, {column}") for column, value in values.items()
    }


def _printed(value: Any, place: str) -> Printed:
    if isinstance(value, str) and (match := _WITH_DEVIATION.match(value)):
        return Printed(float(match[1]), float(match[2]))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{place}: {value!r} is neither a number nor a number ± its deviation.")
    return Printed(float(value))


def find_table(paper: Paper, number: str) -> PaperTable:
    """A table by its printed number; Roman and Arabic numbers are one.

    Raises:
        ConfigError: there is no such table.
    """
    for candidate in _spellings(number):
        if candidate in paper.tables:
            return paper.tables[candidate]
    known = ", ".join(paper.tables)
    raise ConfigError(f"{paper.title} has no table {number} here; choose {known}.")


def _spellings(number: str) -> Sequence[str]:
    roman = {"1": "I", "2": "II", "3": "III"}
    arabic = {value: key for key, value in roman.items()}
    text = number.strip().upper()
    return (text, roman.get(text, text), arabic.get(text, text))
