"""Downloads that go on where they were cut and count only once they are verified.

What has come so far lies in ``.fetching/`` of the weights folder, next to a note on which address and
which version (ETag) it is of. It gets its name and place only after its size, sha256 and layout held.
"""

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from facesr_bench import __version__
from facesr_bench.errors import MissingRequirement, WeightsError, first_line
from facesr_bench.weights.cache import find, read_pins, weights_dir
from facesr_bench.weights.importing import Imported, import_file
from facesr_bench.weights.registry import Entry, entry

TIMEOUT = 30.0
"""Seconds a server may be silent."""

ATTEMPTS = 4
"""How often a cut download goes on by itself, as long as each attempt brings something."""

BLOCK = 1 << 18


@dataclass(frozen=True)
class _Answer:
    """What the server says it sends: from which byte on, of how many, of which version."""

    start: int
    total: int | None
    version: str | None


def fetch(name: str, timeout: float = TIMEOUT, quiet: bool = False) -> Imported | None:
    """Download the weights of a registered name into the weights folder.

    Args:
        name: which weights.
        timeout: seconds a server may be silent.
        quiet: no progress bar.

    Returns:
        What came, or None when the verified file was there already.

    Raises:
        ConfigError: no such name.
        WeightsError: no program can fetch it (the sentence says what to do by hand), the server
            cannot be reached or fell silent, or what it sent is not the file.
    """
    from filelock import FileLock, Timeout

    known = entry(name)
    try:
        find(known)
    except MissingRequirement:
        pass
    else:
        return None
    file = _direct(known)
    folder = weights_dir() / ".fetching"
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / file
    try:
        with FileLock(str(part) + ".lock", timeout=0):
            _download(known, part, timeout, quiet)
            return _take(known, part)
    except Timeout:
        raise WeightsError(f"{file} is being fetched by another process just now.") from None


def _direct(known: Entry) -> str:
    by_hand = (
        f"Open {known.url} in a browser, download {' or '.join(f.file for f in known.files)} "
        f"({known.size_mb:g} MB; {known.licence}), then: facesr-bench weights import FILE --as "
        f"{known.name}"
    )
    if known.on_drive:
        raise WeightsError(
            f"{known.name!r} lies on Google Drive, which answers programs with a page for people, so "
            f"it is not fetched. {by_hand}"
        )
    if known.direct is None:
        raise WeightsError(f"{known.name!r} has no address a program could fetch. {by_hand}")
    return known.direct.file


def _take(known: Entry, part: Path) -> Imported:
    try:
        done = import_file(part, known.name, move=True)
    except MissingRequirement:
        raise  # a package to look at the file is missing; the file may well be right
    except WeightsError as error:
        if (
            part.name in read_pins()
        ):  # the one that came first may be the wrong one: a person decides
            raise
        _forget(part)
        raise WeightsError(
            f"What {known.url} sent was not taken in, and is deleted: {error}"
        ) from error
    _forget(part)
    return done


def _download(known: Entry, part: Path, timeout: float, quiet: bool) -> None:
    """Bring the part to its full size.

    Raises:
        WeightsError: it did not come to that; what came is kept, so that a next call goes on.
    """
    for attempt in range(ATTEMPTS):
        before = _size(part)
        try:
            _one_connection(known, part, timeout, quiet)
            return
        except HTTPError as error:
            if error.code == 416 and before and attempt == 0:  # nothing is left to send
                if error.headers.get("Content-Range") == f"bytes */{before}":
                    return
                _forget(part)
                continue
            raise WeightsError(
                f"{known.url} cannot be fetched: the server says {error.code} {error.reason}."
            ) from error
        except (URLError, OSError, http.client.HTTPException) as error:
            if _size(part) > before and attempt + 1 < ATTEMPTS:
                continue
            raise WeightsError(_broken_off(known, part, timeout, error)) from error


def _one_connection(known: Entry, part: Path, timeout: float, quiet: bool) -> None:
    from tqdm import tqdm

    have, note = _size(part), _read_note(part)
    headers = {"User-Agent": f"facesr-bench/{__version__}", "Accept-Encoding": "identity"}
    if have and note.get("url") == known.url and note.get("version"):
        headers |= {"Range": f"bytes={have}-", "If-Range": note["version"]}
    request = Request(known.url, headers=headers)
    with urlopen(request, timeout=timeout) as response:
        answer = _answer(response, known, have)
        _note(part, {"url": known.url, "version": answer.version})
        with (
            part.open("ab" if answer.start else "wb") as file,
            tqdm(
                total=answer.total,
                initial=answer.start,
                unit="B",
                unit_scale=True,
                desc=part.name,
                disable=True if quiet else None,
            ) as bar,
        ):
            most = _most(known)
            while block := response.read(BLOCK):
                file.write(block)
                bar.update(len(block))
                if file.tell() > most:
                    break
    if _size(part) > most:
        _forget(part)
        raise WeightsError(
            f"{known.url} sends more than {most / 1e6:.0f} MB, but {known.name!r} has "
            f"{known.size_mb:g} MB. It was stopped, and what came is deleted."
        )
    if answer.total is not None and _size(part) != answer.total:
        raise http.client.IncompleteRead(b"", answer.total - _size(part))


def _answer(response: Any, known: Entry, have: int) -> _Answer:
    headers: Mapping[str, str] = response.headers
    if headers.get("Content-Type", "").startswith("text/html"):
        raise WeightsError(
            f"{known.url} answers with a web page, not with the file (a login, a quota, or a page for "
            f"people?). Open it in a browser, then: facesr-bench weights import FILE --as {known.name}"
        )
    total = int(headers["Content-Length"]) if headers.get("Content-Length", "").isdigit() else None
    start = 0
    if response.status == 206:
        told = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", headers.get("Content-Range", ""))
        if told is None or int(told[1]) != have:
            raise WeightsError(
                f"{known.url} goes on at another byte than it was asked for; run the command again."
            )
        start, total = have, int(told[2])
    version = headers.get("ETag") or headers.get("Last-Modified")
    if version and version.startswith("W/"):  # a weak tag may stand for other bytes
        version = headers.get("Last-Modified")
    return _Answer(start, total, version)


def _most(known: Entry) -> float:
    """Bytes beyond which it cannot be the file; keeps an endless answer from filling the disk."""
    return 2e6 * known.size_mb + 1e6


def _broken_off(known: Entry, part: Path, timeout: float, error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        what = f"the server was silent for {timeout:g} s"
    elif isinstance(reason, BaseException):
        what = first_line(reason)
    else:
        what = str(reason)
    kept = f"{_size(part) / 1e6:.1f} MB are kept, and the same command goes on there"
    hint = kept if _size(part) else "try again"
    return (
        f"{known.url} cannot be fetched: {what}. On a machine with network: {hint}; on one without: "
        f"facesr-bench weights import FILE --as {known.name}"
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _note_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_note(part: Path) -> dict[str, Any]:
    try:
        content = json.loads(_note_path(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _note(part: Path, content: Mapping[str, Any]) -> None:
    _note_path(part).write_text(json.dumps(content), encoding="utf-8")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note_path(part).unlink(missing_ok=True)
