"""Whether a finished run is what its record says, as far as its own folder can tell."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from facesr_bench.console import is_smoke_test
from facesr_bench.errors import DataError
from facesr_bench.leaderboard.model import Mark, Row
from facesr_bench.leaderboard.provenance import is_smoke
from facesr_bench.leaderboard.run_tables import run_tables
from facesr_bench.metrics.scores import PerImage, read_keys, read_per_image
from facesr_bench.results import SCHEMA, read_record
from facesr_bench.store import SRStore

_HASH = re.compile(r"[0-9a-f]{64}")
_VERSIONS = ("python", "facesr-bench", "torch", "numpy", "pillow")

Record = Mapping[str, Any]


def problems_of(run: Path, *, smoke_marked: bool = False) -> tuple[dict[str, Any], list[str]]:
    """The record, and a sentence for each reason not to hand it in.

    Args:
        run: the folder of a finished run.
        smoke_marked: a smoke budget may go in, since it will be marked.

    Raises:
        DataError: there is no record that can be read.
    """
    if not (run / "result.json").is_file():
        raise DataError(f"{run} has no result.json: the run is not finished.")
    record = read_record(run / "result.json")
    problems = [*_form(record), *_smoke(record, smoke_marked), *_verdicts(record)]
    try:
        table = read_per_image(run / "per_image.csv")
    except DataError as error:
        return record, [*problems, str(error)]
    return record, [*problems, *_counts(record, table, run), *_images(record, run)]


def row_of(run: Path, record: Record) -> Row:
    """The run as leaderboards show it: division, status, and every mark."""
    (table,) = run_tables([(run, record)])
    return table.rows[0]


def further_marks(record: Record) -> list[Mark]:
    """What only matters where a record is handed in, beside the marks of its row."""
    marks = []
    if (record.get("git") or {}).get("dirty"):
        why = "made by a changed checkout, so its commit does not tell the code"
        marks.append(Mark("changed checkout", why))
    stand_ins = [key for key, metric in record["metrics"].items() if is_smoke_test(metric)]
    if stand_ins:
        marks.append(Mark("stand-ins", f"no results, and in no table: {', '.join(stand_ins)}"))
    return marks


def absolute_paths(record: Record) -> list[str]:
    """Values of the configuration that name places on the machine of the run, by their key."""
    return sorted(
        {key for key, value in _leaves(record["config"]) if PurePath(value).is_absolute()}
    )


def _form(record: Record) -> Iterator[str]:
    if record["schema"] != SCHEMA:
        yield f"its schema is {record['schema']}, not {SCHEMA}; run it again with this version"
    protocol = record["protocol"]
    named = isinstance(protocol.get("name"), str) and isinstance(protocol.get("version"), int)
    if not named or not _HASH.fullmatch(str(protocol.get("hash"))):
        yield "its protocol has no name, whole version and sha256"
    for key in ("lr_hash", "sr_hash"):
        if not _HASH.fullmatch(str(record[key])):
            yield f"{key} is no sha256"
    for entry in record["weights"]:
        if not _HASH.fullmatch(str(entry.get("sha256"))):
            yield f"the weight file {entry.get('file')} has no sha256"
    lacking = [name for name in _VERSIONS if not record["versions"].get(name)]
    if lacking:
        yield f"versions lacks {', '.join(lacking)}"
    if not record["metrics"]:
        yield "it holds no metric"
    if not record["device"].get("type"):
        yield "it does not say on which device it ran"


def _smoke(record: Record, marked: bool) -> Iterator[str]:
    if is_smoke(record) and not marked:
        yield (
            "it is of a smoke budget, which is no result; train it with scale=slim or full, or hand it "
            "in marked as what it is with --smoke"
        )


def _verdicts(record: Record) -> Iterator[str]:
    for verdict in (record.get("verified") or [])[-1:]:
        if verdict["verdict"] != "verified":
            yield f"it was verified and differs: {'; '.join(verdict['findings'])}"


def _counts(record: Record, table: PerImage, run: Path) -> Iterator[str]:
    from facesr_bench.verify.comparing import compare_means

    rows = len(read_keys(run / "per_image.csv"))
    if rows != record["n_images"]:
        yield f"the record counts {record['n_images']} images, per_image.csv has {rows} rows"
    yield from compare_means(record, table)


def _images(record: Record, run: Path) -> Iterator[str]:
    store, keys = SRStore(run / "sr"), read_keys(run / "per_image.csv")
    if not store.root.is_dir():
        yield "its SR images are gone, so their hash cannot be checked; run it with keep_sr=true"
        return
    try:
        digest = store.hash(keys)
    except DataError as error:
        yield str(error)
        return
    if digest != record["sr_hash"]:
        yield f"its SR images hash to {digest[:12]}, the record says {record['sr_hash'][:12]}"


def _leaves(config: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(config, Mapping):
        for name, value in config.items():
            yield from _leaves(value, f"{key}.{name}" if key else str(name))
    elif isinstance(config, list):
        for value in config:
            yield from _leaves(value, key)
    elif isinstance(config, str):
        yield key, config
