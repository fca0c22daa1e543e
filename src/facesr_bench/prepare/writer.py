"""From sources and a recipe to a prepared folder that is either whole or resumable.

Order of events: images (each renamed into place, then listed in a journal), landmarks, packs, contact
sheet, ``prepared.json``, and last of all ``manifest.parquet``. A kill loses the images in flight. No
image is flushed to disk on its own, which would cost more than making it; instead sizes are compared on
resuming, packs check every hash, and everything is flushed once before the manifest appears.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image, write_atomically
from facesr_bench.prepare.checks import check_plan
from facesr_bench.prepare.fingerprints import Fingerprints
from facesr_bench.prepare.journal import Journal, Row
from facesr_bench.prepare.landmarks import find_landmarks_of, lacking, lacks_yunet
from facesr_bench.prepare.layout import FORMAT, Layout, read_checked
from facesr_bench.prepare.manifest import write_manifest
from facesr_bench.prepare.opening import Call, check_sources_outside, lock_folder, open_work
from facesr_bench.prepare.packing import Pack, PackChoice, packs_of, replacing, write_pack
from facesr_bench.prepare.provenance import source_facts, versions
from facesr_bench.prepare.recipe import Raw, Recipe
from facesr_bench.prepare.rendering import Target
from facesr_bench.prepare.saving import saving
from facesr_bench.prepare.sheet import chosen, write_sheet
from facesr_bench.prepare.sources import SourceSet
from facesr_bench.prepare.summary import Tally
from facesr_bench.prepare.working import OnError, Problem, cores, finished, progress, render_all


@dataclass(frozen=True)
class Options:
    """How the work is done; none of it changes a pixel.

    Attributes:
        on_error: "raise" refuses a data set with bad images, "skip" leaves them out, named.
        workers: threads; None: all cores.
        pack: whether packs are written; "auto": for small images.
        landmarks: whether those the owner does not give are looked for when YuNet is here.
    """

    on_error: OnError = "raise"
    workers: int | None = None
    pack: PackChoice = "auto"
    landmarks: Literal["auto", "no"] = "auto"


@dataclass
class _Job:
    recipe: Recipe
    layout: Layout
    call: Call
    options: Options
    items: list[Raw] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def prepare(
    recipe: Recipe, call: Call, paths: Sequence[Path], root: Path, options: Options
) -> tuple[dict[str, Any], float]:
    """Prepare a data set into a folder that is not complete yet.

    Args:
        recipe: built from ``call``'s arguments.
        call: what decides the result.
        paths: of ``--src``.
        root: the folder.
        options: how.

    Returns:
        The content of ``prepared.json``, and the seconds it took.

    Raises:
        DataError: the sources, the plan or the images cannot be used; the folder is not ours.
    """
    started = time.perf_counter()
    layout = Layout(root)
    check_sources_outside(paths, root)
    with lock_folder(layout), ExitStack() as stack:
        sources = SourceSet(paths, recipe.archives)
        files, unlike = source_facts(sources, recipe.published)
        plan = recipe.plan(sources)
        items = sorted(plan.items, key=lambda raw: raw.key)
        check_plan(items, recipe.name)
        made_of = Fingerprints(sources, items)
        passed_over = [f"In the sources, {phrase}." for phrase in sources.passed_over()]
        job = _Job(recipe, layout, call, options, items, [*plan.notes, *unlike, *passed_over])
        workers = options.workers or cores()
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        with saving(layout.root):
            open_work(layout, call, paths)  # not before: a refused plan leaves no begun folder
            journal = stack.enter_context(Journal(layout.work / "progress.jsonl"))
            points = stack.enter_context(Journal(layout.work / "landmarks.jsonl"))
        finished(items, made_of, layout, journal)
        problems = render_all(
            items, _targets(recipe, call.size, items), made_of, layout, journal, pool,
            2 * workers + 2, options.on_error,
        )  # fmt: skip
        job.items = [raw for raw in items if raw.key in journal]
        if not job.items:
            raise DataError(
                f"None of the {len(items):,} images can be used. The first: {problems[0]}"
            )
        with saving(layout.root):
            facts = _finish(job, files, journal, points, problems, pool)
    shutil.rmtree(layout.work, ignore_errors=True)
    return facts, time.perf_counter() - started


def _targets(recipe: Recipe, size: int, items: Sequence[Raw]) -> Any:
    has_hr = any(raw.role == "hr" for raw in items)
    lr_side = recipe.lr_size if recipe.lr_size or has_hr else size
    targets = {
        "hr": Target(size, recipe.operator, recipe.stretch, recipe.enlarge),
        "lr": Target(lr_side, recipe.operator, recipe.stretch, recipe.enlarge),
    }
    return lambda raw: targets[raw.role]


def _finish(
    job: _Job,
    files: list[dict[str, Any]],
    journal: Journal,
    points: Journal,
    problems: Sequence[Problem],
    pool: ThreadPoolExecutor,
) -> dict[str, Any]:
    layout = job.layout
    missing = _without_landmarks(job.items, journal)
    if missing and job.options.landmarks == "auto":
        why = lacks_yunet()
        job.notes.append(
            lacking(len(missing), why)
            if why is not None
            else find_landmarks_of(missing, layout, points, pool)
        )
    packs = _write_packs(job, journal, pool)
    tally = Tally()
    with replacing(layout.manifest, layout.work) as new_manifest:
        write_manifest(new_manifest, _counted(_rows(job.items, journal, points), tally))
        shown = set(chosen([(raw.key, raw.role) for raw in job.items]))
        some = [raw for raw in job.items if raw.key in shown]
        name = f"{job.call.recipe} {job.call.size}"
        write_sheet(layout, name, len(job.items), list(_rows(some, journal, points)))
        facts = {
            "format": FORMAT,
            **asdict(job.call),
            "title": job.recipe.title,
            "licence": job.recipe.licence,
            "counts": tally.content(),
            "content": _content_hash(job.items, journal),
            "packs": [
                {"file": p.file, "images": len(p.rows), "height": p.height, "width": p.width,
                 "bytes": p.bytes}
                for p in packs
            ],
            "notes": job.notes,
            "left_out": [asdict(problem) for problem in problems],
            "sources": files,
            "versions": versions(),
        }  # fmt: skip
        write_atomically(layout.facts, (json.dumps(facts, indent=2) + "\n").encode())
        if hasattr(os, "sync"):
            os.sync()
    return facts


def _without_landmarks(items: Sequence[Raw], journal: Journal) -> dict[str, str]:
    """sha256 by key of the HR images without landmarks."""
    rows = (journal[raw.key] for raw in items if raw.role == "hr")
    return {row["key"]: row["sha256"] for row in rows if row["landmarks"] is None}


def _rows(items: Sequence[Raw], journal: Journal, points: Journal) -> Iterator[Row]:
    """The manifest's rows: what the recipe knows of an image, and what became of it."""
    for raw in items:
        row = journal[raw.key]
        del row["border_bytes"], row["made_of"]
        origin = None if row["landmarks"] is None else "owner"
        if origin is None and raw.key in points:
            row["landmarks"] = points[raw.key]["landmarks"]
            origin = None if row["landmarks"] is None else "yunet"
        yield row | {
            "split": raw.split,
            "role": raw.role,
            "identity": raw.identity,
            "attributes": {name: float(value) for name, value in raw.attributes.items()},
            "landmarks_from": origin,
            "domain": raw.domain,
            "source": raw.source,
        }


def _counted(rows: Iterator[Row], tally: Tally) -> Iterator[Row]:
    for row in rows:
        tally.add(row)
        yield row


def _content_hash(items: Sequence[Raw], journal: Journal) -> str:
    """One name for all prepared pixels: the hash of the images' hashes, in the order of the keys."""
    from facesr_bench.protocol import canonical_hash

    return canonical_hash([journal[raw.key]["sha256"] for raw in items])


def _write_packs(job: _Job, journal: Journal, pool: ThreadPoolExecutor) -> list[Pack]:
    layout = job.layout
    made = (journal[raw.key] for raw in job.items)
    sizes = ((row["height"], row["width"], row["border_shape"]) for row in made)
    packs = [pack for pack in packs_of(sizes) if pack.wanted(job.options.pack)]
    for pack in packs:

        def read(row: int, bordered: bool = pack.bordered) -> UInt8Image:
            key = job.items[row].key
            return read_checked(layout, key, journal[key], bordered)

        with (
            replacing(layout.root / pack.file, layout.work) as path,
            progress(pack.file, len(pack.rows)) as bar,
        ):
            write_pack(path, pack, read, pool, bar.update)
    return packs
