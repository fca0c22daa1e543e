"""Writing a submission: the same run gives the same bytes."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facesr_bench.console import format_count, format_value, is_smoke_test
from facesr_bench.errors import DataError
from facesr_bench.images import write_atomically
from facesr_bench.leaderboard.model import Mark, Row
from facesr_bench.leaderboard.provenance import cell_marks
from facesr_bench.metrics.scores import read_keys
from facesr_bench.store import SRStore
from facesr_bench.submit.checking import further_marks, row_of

Record = Mapping[str, Any]


def pack(run: Path, record: Record, out: Path, *, with_sr: bool, grid: bool) -> Path:
    """Write ``OUT/PROTOCOL@VERSION/LABEL-HASH/`` and give its path.

    Args:
        run: a folder that :func:`~.checking.problems_of` found nothing wrong with.
        record: its record.
        out: the folder of results.
        with_sr: add the SR images as ``sr.zip``.
        grid: add the picture.

    Raises:
        DataError: another submission lies there, or the picture is missing.
    """
    row = row_of(run, record)
    marks = [*row.marks, *further_marks(record)]
    files = {
        "result.json": (run / "result.json").read_bytes(),
        "per_image.csv": (run / "per_image.csv").read_bytes(),
        "card.md": card(record, row, marks, grid=grid).encode(),
    }
    if grid:
        picture = run / "images" / "grid.png"
        if not picture.is_file():
            raise DataError(f"{picture} is missing; pack without it by --no-grid.")
        files["grid.png"] = picture.read_bytes()
    if with_sr:
        files["sr.zip"] = _zip_of(run, read_keys(run / "per_image.csv"))
    manifest = {
        "schema": 2,
        "protocol": record["protocol"],
        "method": record["method"],
        "sr_hash": record["sr_hash"],
        "division": row.division,
        "status": None if row.status is None else [row.status.name, row.status.reason],
        "marks": {mark.text: mark.why for mark in marks},
        "superseded": row.superseded,
        "files": {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)},
    }
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    folder = out / _place(record)
    _refuse_another(folder, record)
    for name in sorted(files):
        write_atomically(folder / name, files[name])
    for stale in {"grid.png", "sr.zip"} - set(files):
        (folder / stale).unlink(missing_ok=True)
    write_atomically(folder / "manifest.json", text.encode())
    return folder


def card(record: Record, row: Row, marks: Sequence[Mark], *, grid: bool) -> str:
    """What a person wants to know of the run, as Markdown.

    Args:
        record: of the run.
        row: the run as leaderboards show it.
        marks: what a reader must know beside the numbers.
        grid: whether the picture lies beside it.
    """
    protocol, origin = record["protocol"], record["origin"]
    trained = record["trained_on"]
    lines = [
        f"# {_escaped(record.get('label') or record['method'])} on "
        f"{protocol['name']}@{protocol['version']}",
        "",
        *(f"**{_escaped(mark.text)}**: {_escaped(mark.why)}\n" for mark in marks),
        *([f"**superseded**: {_escaped(row.superseded)}\n"] if row.superseded else []),
        f"- method: `{record['method']}` ({_escaped(record.get('paper') or 'no paper named')})",
        f"- division: {row.division}",
        *([f"- status: {row.status.name}: {_escaped(row.status.reason)}"] if row.status else []),
        f"- inputs: {record['n_images']} images, protocol hash `{protocol['hash'][:12]}`",
        f"- weights: {origin}"
        + "".join(f"; `{w['file']}` sha256 `{w['sha256'][:12]}`" for w in record["weights"]),
        "- trained on: "
        + (
            "; ".join(f"{t.get('data')}, {t.get('images', '?')} images" for t in trained)
            or "nothing"
        ),
        f"- SR images: sha256 `{record['sr_hash'][:12]}`",
        f"- {_verdict(record)}",
        f"- {_where(record)}",
        "",
        "| metric | better | value [95 %] | n |",
        "|---|---|---:|---:|",
    ]
    told = {key: cell_marks(key, record) for key in record["metrics"]}
    for key, metric in record["metrics"].items():
        better = {True: "higher", False: "lower", None: ""}[metric["higher_is_better"]]
        name = f"{key} (stand-in, no result)" if is_smoke_test(metric) else key
        shown = format_value(metric) + "".join(
            f" {_escaped(mark.text)}" for mark in told.get(key, ())
        )
        lines.append(f"| `{name}` | {better} | {shown} | {metric['n']} |")
    lines += [f"\n{mark.text}: `{key}`: {_escaped(mark.why)}" for key in told for mark in told[key]]
    cost = record["cost"]
    if cost:
        lines += ["", f"Parameters {format_count(cost.get('params'))}, FLOPs per image "
                  f"{format_count(cost.get('flops'))}."]  # fmt: skip
    for field, what in (("metrics_skipped", "not computed"), ("metrics_failed", "failed")):
        for key, reason in (record.get(field) or {}).items():
            lines += ["", f"`{key}` {what}: {_escaped(reason)}"]
    if grid:
        lines += ["", "![LR, bicubic, SR and HR of the same test faces](grid.png)"]
    return "\n".join(lines) + "\n"


def _verdict(record: Record) -> str:
    verdicts = record.get("verified") or []
    if not verdicts:
        return "not verified by a repetition"
    last = verdicts[-1]
    how = "equal to the bit" if last["same_device"] else "within the tolerance between devices"
    return f"verified on {last['when'][:10]}: {last['images']['images']} images made again, {how}"


def _where(record: Record) -> str:
    versions, git = record["versions"], record.get("git") or {}
    commit = f", commit `{git['commit'][:12]}`" if git.get("commit") else ""
    return (
        f"facesr-bench {versions['facesr-bench']}{commit}, PyTorch {versions['torch']}, "
        f"{record['device'].get('name') or record['device']['type']}"
    )


def _place(record: Record) -> Path:
    protocol = record["protocol"]
    name = _plain(record.get("label") or record["method"]) or "run"
    folder = f"{_plain(protocol['name'])}@{protocol['version']}"
    return Path(folder) / f"{name}-{record['sr_hash'][:8]}"


def _plain(text: object) -> str:
    """A name that is a file name everywhere."""
    return re.sub(r"[^\w.+-]+", "-", str(text)).strip("-.")


def _refuse_another(folder: Path, record: Record) -> None:
    path = folder / "manifest.json"
    if path.is_file() and json.loads(path.read_bytes()).get("sr_hash") != record["sr_hash"]:
        raise DataError(f"{folder} holds another submission; choose another --out or label.")


def _zip_of(run: Path, keys: list[str]) -> bytes:
    """Stored, in key order, without dates: PNG cannot be made smaller, and bytes stay the same."""
    store, buffer = SRStore(run / "sr"), io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for key in sorted(keys):
            path = store.path(key)
            entry = zipfile.ZipInfo(f"sr/{path.relative_to(store.root).as_posix()}")
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def _escaped(text: object) -> str:
    """Words of others, so that they format nothing and inject no HTML."""
    plain = " ".join(str(text).split())
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", plain)
