"""Landmarks the owner does not give, found once on the prepared HR images with YuNet."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from facesr_bench.errors import MissingRequirement
from facesr_bench.images import read_rgb
from facesr_bench.prepare.journal import Journal, Row
from facesr_bench.prepare.layout import Layout
from facesr_bench.prepare.working import progress

LACKING = "HR images have no landmarks, which identity and landmark metrics need"
FOUND = "YuNet found landmarks in"
"""What tells the notes about landmarks from others: not looked for yet, and looked for."""


def lacks_yunet() -> str | None:
    """Why no landmarks can be found here, or None where they can."""
    from facesr_bench.faces.yunet import YuNet

    try:
        YuNet()
    except MissingRequirement as error:
        return str(error)
    return None


def lacking(count: int, why: str) -> str:
    """The note about images without landmarks where YuNet is not here."""
    return (
        f"{count:,} {LACKING}; the same command adds them to the finished folder once YuNet is here: "
        f"{why}"
    )


def find_landmarks_of(
    hashes: Mapping[str, str], layout: Layout, journal: Journal, pool: ThreadPoolExecutor
) -> str:
    """Look for faces in images and note their landmarks; YuNet must be here.

    Args:
        hashes: sha256 by key of HR images without landmarks.
        layout: where they lie.
        journal: key to "landmarks", ten numbers or None where there is no face, and to "sha256" of
            the image they were looked for in; grows.
        pool: does the work.

    Returns:
        A sentence for the summary.
    """
    from facesr_bench.faces.yunet import YuNet, find_landmarks

    local = threading.local()  # OpenCV's detector serves one thread

    def look(key: str) -> Row:
        if not hasattr(local, "detector"):
            local.detector = YuNet()
        image = read_rgb(layout.image(key), orientation="stored")
        points = find_landmarks([image], local.detector)[0]
        found = None if points is None else points.ravel().tolist()
        return {"key": key, "landmarks": found, "sha256": hashes[key]}

    # An image may have been made again since, of another file of its owner.
    todo = [
        key for key in hashes if key not in journal or journal[key].get("sha256") != hashes[key]
    ]
    with progress("landmarks", len(hashes), len(hashes) - len(todo)) as bar:
        for first in range(0, len(todo), 256):
            for row in pool.map(look, todo[first : first + 256]):
                journal.append(row)
                bar.update()
    found = sum(journal[key]["landmarks"] is not None for key in hashes)
    return f"{FOUND} {found:,} of {len(hashes):,} HR images the owner gives none for."
