"""What the papers print, as data: a YAML file a paper, with source, precision and who each row is."""

from facesr_bench.papers.contents import (
    Benchmark,
    Block,
    Paper,
    PaperTable,
    Printed,
    PrintedColumn,
    WhoIs,
)
from facesr_bench.papers.reading import find_table, paper_names, read_paper

__all__ = [
    "Benchmark",
    "Block",
    "Paper",
    "PaperTable",
    "Printed",
    "PrintedColumn",
    "WhoIs",
    "find_table",
    "paper_names",
    "read_paper",
]
