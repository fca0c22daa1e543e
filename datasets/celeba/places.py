"""The same images often lie there twice, unpacked and as the archive: one place is read."""

import re
from collections import defaultdict
from collections.abc import Callable

from facesr_bench.errors import DataError
from facesr_bench.prepare.sources import Entry, SourceSet

Place = tuple[str, str]


def one_place(
    sources: SourceSet, name: re.Pattern[str], rank: Callable[[str], int | None]
) -> tuple[dict[int, Entry], list[str]]:
    """Images whose file name is a number, from the one folder that fits best.

    Args:
        sources: where to look.
        name: of the files; its first group is the number.
        rank: how well a folder's path (archive or folder name first) fits, higher is better; None
            leaves it out. Of equals the fullest is taken, then the one given first.

    Returns:
        The files by number, in order; and a sentence for each other place that was passed over.

    Raises:
        DataError: two files of the place have the same number.
    """
    places: defaultdict[Place, list[tuple[int, Entry]]] = defaultdict(list)
    for entry in sources:
        folder, _, base = entry.name.rpartition("/")
        match = name.fullmatch(base)
        if match is not None:
            places[str(entry.container.path), folder].append((int(match[1]), entry))
    ranked = [
        (fits, len(files), place)
        for place, files in places.items()
        if (fits := rank(_path(place))) is not None
    ]
    if not ranked:
        return {}, []
    best = max(ranked, key=lambda item: item[:2])[2]  # max keeps the first of equals
    files: dict[int, Entry] = {}
    for number, entry in places[best]:
        if number in files:
            raise DataError(
                f"{files[number].where} and {entry.where} are both image {number}; only one of them "
                "can be. Remove the other."
            )
        files[number] = entry
    others = [place for _, _, place in ranked if place != best]
    notes = [
        f"{len(places[place]):,} files in {_path(place)}, numbered like the images, were passed over: "
        f"the images were read from {_path(best)}."
        for place in others
    ]
    return dict(sorted(files.items())), notes


def _path(place: Place) -> str:
    return "/".join(place).rstrip("/")
