"""Keys with any sign of Unicode come back as they were, from every table and list a key stands in.

``str.splitlines`` ends a line at U+2028 and U+0085, csv does not: they are no reason to quote a cell.
"""

import csv
from pathlib import Path

import numpy as np
import pytest

from facesr_bench.datasets.folder.split_file import read_split_file
from facesr_bench.errors import DataError
from facesr_bench.facts import read_facts
from facesr_bench.image_attributes import read_attributes, write_attributes
from facesr_bench.key_lists import read_list
from facesr_bench.loss_table import LossTable
from facesr_bench.methods.propulse.edit import read_scores
from facesr_bench.metrics.scores import (
    read_identities,
    read_keys,
    read_per_image,
    write_per_image,
)
from facesr_bench.results import write_record
from facesr_bench.store import SRStore
from facesr_bench.submit.checking import problems_of
from facesr_bench.submit.packing import pack
from leaderboard.made_records import metric, wider

SEPARATORS = ("\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e")
"""What else str.splitlines ends a line at."""

KEYS = sorted(
    [
        *(f"a{sign}b.png" for sign in SEPARATORS),
        'say "face".png',
        "a,b.png",
        "a\r\nb.png",
        "a\nb.png",
    ]
)


def test_the_table_of_scores(tmp_path: Path) -> None:
    path = tmp_path / "per_image.csv"
    column = {key: number / 3 for number, key in enumerate(KEYS)}
    people = {key: f"who{key}" for key in KEYS}
    write_per_image(path, {"psnr": column}, people)
    assert read_per_image(path) == {"psnr": column}
    assert read_identities(path) == people
    assert read_keys(path) == KEYS


def test_the_table_of_attributes(tmp_path: Path) -> None:
    path = tmp_path / "attributes.csv"
    write_attributes(path, KEYS, KEYS, [{"age": float(n)} for n in range(len(KEYS))])
    read = read_attributes(path)
    assert read.domains == {key: key for key in KEYS}
    assert read.attributes == {"age": {key: float(n) for n, key in enumerate(KEYS)}}


def write_table(path: Path, *rows: list[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def test_facts_of_a_user(tmp_path: Path) -> None:
    path = write_table(
        tmp_path / "f.csv", ["key", "identity"], *([key, f"x{key}y"] for key in KEYS)
    )
    table = read_facts(path, "data.facts")
    assert {key: facts.identity for key, facts in table.rows.items()} == {
        key: f"x{key}y" for key in KEYS
    }


def test_splits_of_a_user(tmp_path: Path) -> None:
    path = write_table(tmp_path / "s.csv", ["key", "split"], *([key, "test"] for key in KEYS))
    assert read_split_file(path) == dict.fromkeys(KEYS, "test")
    lines = [key for key in KEYS if "\n" not in key]
    (tmp_path / "s.txt").write_bytes("\r\n".join(f"{key} val" for key in lines).encode())
    assert read_split_file(tmp_path / "s.txt") == dict.fromkeys(lines, "val")


def test_a_list_of_keys(tmp_path: Path) -> None:
    lines = [key for key in KEYS if "\n" not in key]
    (tmp_path / "keys.txt").write_bytes("\r\n".join(["# of keys", *lines, ""]).encode())
    assert read_list(tmp_path / "keys.txt") == set(lines)


def test_scores_of_faces_to_edit(tmp_path: Path) -> None:
    names = [f"age {key}" for key in KEYS]
    path = write_table(tmp_path / "t.csv", ["key", *names], ["000000.png", *map(str, range(99))])
    assert [read_scores(path, name, 1) for name in names] == [[float(n)] for n in range(len(names))]
    (tmp_path / "t.csv").write_bytes(b"key,age\n\xff,1\n")
    with pytest.raises(DataError, match="cannot be read"):
        read_scores(path, "age", 1)


def test_the_table_of_losses(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    row = {name: float(number) for number, name in enumerate(KEYS)}
    LossTable(str(path)).log_metrics(row, step=1)
    LossTable(str(path)).log_metrics(row, step=2)  # reads the first row again
    with path.open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    expected = {name: str(value) for name, value in row.items()}
    assert read == [{"step": "1", **expected}, {"step": "2", **expected}]


def test_a_run_with_such_keys_can_be_handed_in(tmp_path: Path) -> None:
    """Counting its rows, hashing its images and zipping them all go by the keys of the table."""
    run, out = tmp_path / "run", tmp_path / "out"
    store = SRStore(run / "sr")
    store.write(KEYS, np.zeros((len(KEYS), 2, 2, 3), np.uint8))
    write_per_image(run / "per_image.csv", {"psnr": dict.fromkeys(KEYS, 20.0)})
    entry = metric(20.0, higher=True, n=len(KEYS), per_image=True)
    versions = dict.fromkeys(("python", "facesr-bench", "torch", "numpy", "pillow"), "1")
    record = wider(
        n_images=len(KEYS), metrics={"psnr": entry}, lr_hash="0" * 64, sr_hash=store.hash(KEYS),
        versions=versions, device={"type": "cpu"},
    )  # fmt: skip
    write_record(run / "result.json", record)
    read, problems = problems_of(run)
    assert problems == []
    folder = pack(run, read, out, with_sr=True, grid=False)
    assert (folder / "sr.zip").is_file()
