"""Landmarks the owner does not give, found once on the prepared HR images with YuNet."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from facesr_bench.errors import MissingRequirement
from facesr_bench.images import read_rgb
from facesr_bench.prepare.journal import Journal, Row
from facesr_bench.prepare.layout import Layout
from facesr_bench.prepare.working import progress


def find_missing(
    keys: Sequence[str], layout: Layout, journal: Journal, pool: ThreadPoolExecutor
) -> str | None:
    """Look for faces in the images of these keys and note their landmarks.

    Args:
        keys: of HR images without landmarks.
        layout: where they lie.
        journal: key to "landmarks", ten numbers or None where there is no face; grows.
        pool: does the work.

    Returns:
        A sentence for the summary, or None where nothing was to be done.
    """
    if not keys:
        return None
    from facesr_bench.faces.yunet import YuNet, find_landmarks

    try:
        YuNet()
    except MissingRequirement as error:
        return (
            f"{len(keys):,} HR images have no landmarks, which identity and landmark metrics need; "
            f"they would be found here if YuNet were: {error}"
        )
    local = threading.local()  # OpenCV's detector serves one thread

    def look(key: str) -> Row:
        if not hasattr(local, "detector"):
            local.detector = YuNet()
        image = read_rgb(layout.image(key), orientation="stored")
        points = find_landmarks([image], local.detector)[0]
        return {"key": key, "landmarks": None if points is None else points.ravel().tolist()}

    todo = [key for key in keys if key not in journal]
    with progress("landmarks", len(keys), len(keys) - len(todo)) as bar:
        for first in range(0, len(todo), 256):
            for row in pool.map(look, todo[first : first + 256]):
                journal.append(row)
                bar.update()
    found = sum(journal[key]["landmarks"] is not None for key in keys)
    return (
        f"YuNet found landmarks in {found:,} of {len(keys):,} HR images the owner gives none for."
    )
