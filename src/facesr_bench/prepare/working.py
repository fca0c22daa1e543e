"""Rendering every image of a plan in threads: bounded, resumable, bad images named together."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from facesr_bench.errors import DataError, FaceSRError
from facesr_bench.images import UInt8Image, encode_png, hash_images
from facesr_bench.prepare.journal import Journal, Row
from facesr_bench.prepare.layout import Layout
from facesr_bench.prepare.recipe import Raw
from facesr_bench.prepare.rendering import Target, render
from facesr_bench.prepare.saving import saving

OnError = Literal["raise", "skip"]
SHOWN = 20
"""Bad images named at once; with ``--on-error raise`` the work stops there."""


@dataclass(frozen=True)
class Problem:
    """An image that cannot be used."""

    key: str
    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source} ({self.key}): {self.reason}"


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def progress(what: str, total: int, done: int = 0) -> Any:
    """A progress bar on standard error; without a terminal a line every twenty seconds."""
    from tqdm import tqdm

    return tqdm(
        total=total,
        initial=done,
        desc=what,
        unit="img",
        unit_scale=total > 100_000,
        dynamic_ncols=True,
        mininterval=0.5 if sys.stderr.isatty() else 20.0,
        file=sys.stderr,
    )


State = Callable[[Raw], str]
"""The fingerprint of what an image is made of."""


def finished(items: Sequence[Raw], state: State, layout: Layout, journal: Journal) -> int:
    """How many listed images are really there; others are struck off the list and made again.

    So are those whose source changed; what the plan no longer has is deleted.
    """
    planned = {raw.key: raw for raw in items}
    for key in journal:
        row = journal[key]
        there = _size(layout.image(key)) == row["bytes"]
        if row["border_bytes"] is not None:
            there = there and _size(layout.border(key)) == row["border_bytes"]
        if there and key in planned and row.get("made_of") == state(planned[key]):
            continue
        journal.forget(key)
        if key not in planned:
            _delete(layout, key)
    return len(journal)


def render_all(
    items: Sequence[Raw],
    target: Callable[[Raw], Target],
    state: State,
    layout: Layout,
    journal: Journal,
    pool: ThreadPoolExecutor,
    window: int,
    on_error: OnError,
) -> list[Problem]:
    """Render what the journal does not list yet.

    Args:
        items: of the plan.
        target: how each becomes the prepared size.
        state: what each is made of, noted with it.
        layout: where images go.
        journal: what is finished; grows.
        pool: does the work.
        window: images in flight, which bounds memory.
        on_error: "raise" stops at the first :data:`SHOWN` bad images, "skip" goes on.

    Returns:
        The images left out, in the order of their keys.

    Raises:
        DataError: with "raise", naming the bad images.
    """
    todo = (raw for raw in items if raw.key not in journal)
    problems: list[Problem] = []
    with progress("images", len(items), len(journal)) as bar:
        for raw, future in _as_done(todo, lambda raw: _one(raw, target(raw), layout), pool, window):
            try:
                row = future.result() | {"made_of": state(raw)}
            except DataError as error:
                problems.append(Problem(raw.key, raw.source, str(error)))
                _delete(layout, raw.key)  # of an earlier call, whose source was whole
                if on_error == "raise" and len(problems) >= SHOWN:
                    break
            else:
                with saving(journal.path):
                    journal.append(row)
            bar.update()
    problems.sort(key=lambda problem: problem.key)
    if problems and on_error == "raise":
        raise DataError(_refusal(problems, len(journal), len(items)))
    return problems


def _as_done(
    items: Iterable[Raw], work: Callable[[Raw], Row], pool: ThreadPoolExecutor, window: int
) -> Iterable[tuple[Raw, "Future[Row]"]]:
    running: dict[Future[Row], Raw] = {}
    ready: deque[Future[Row]] = deque()
    try:
        for raw in items:
            running[pool.submit(work, raw)] = raw
            if len(running) >= window:
                ready.extend(wait(running, return_when=FIRST_COMPLETED).done)
            while ready:
                future = ready.popleft()
                yield running.pop(future), future
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future
    finally:
        for future in running:
            future.cancel()


def _one(raw: Raw, target: Target, layout: Layout) -> Row:
    try:
        rendered = render(raw, target)
    except FaceSRError:
        raise
    except Exception as error:
        error.add_note(f"while reading {raw.source} for {raw.key}")
        raise
    height, width = rendered.image.shape[:2]
    row: Row = {
        "key": raw.key,
        "height": height,
        "width": width,
        "sha256": hash_images([(raw.key, rendered.image)]),
        "bytes": _write(layout.image(raw.key), rendered.image, layout.work),
        "landmarks": None,
        "border": None,
        "border_shape": None,
        "border_sha256": None,
        "border_bytes": None,
    }
    if rendered.landmarks is not None:
        row["landmarks"] = [float(value) for value in rendered.landmarks.ravel()]
    if rendered.border is not None:
        row["border"] = list(rendered.border_size)
        row["border_shape"] = list(rendered.border.shape[:2])
        row["border_sha256"] = hash_images([(raw.key, rendered.border)])
        row["border_bytes"] = _write(layout.border(raw.key), rendered.border, layout.work)
    return row


def _write(path: Path, image: UInt8Image, work: Path) -> int:
    """Write one PNG under a temporary name and rename it; no fsync, see :mod:`.writer`."""
    import threading

    content = encode_png(image)
    temporary = work / f"new-{threading.get_ident()}.png"
    with saving(path):
        temporary.write_bytes(content)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(path)
    return len(content)


def _delete(layout: Layout, key: str) -> None:
    for path in (layout.image(key), layout.border(key)):
        with saving(path):
            path.unlink(missing_ok=True)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _refusal(problems: Sequence[Problem], done: int, total: int) -> str:
    looked = done + len(problems)
    lines = "".join(f"\n  {problem}" for problem in problems[:SHOWN])
    stopped = f" (stopped there, after {looked:,} of {total:,})" if looked < total else ""
    return (
        f"{len(problems):,} of {looked:,} images cannot be used{stopped}:{lines}\n"
        "Get them again and give the same command, which goes on where it stopped; or leave them out, "
        "counted and named, with --on-error skip."
    )
