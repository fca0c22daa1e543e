"""Whether the owner's file behind a finished image is still the one the image was made of.

An interrupted preparation is often one that stopped at a damaged file, which is then replaced. So the
sources may change between two calls, and only what was made of changed files is made again.
"""

import hashlib
from collections.abc import Iterable, Sequence

from facesr_bench.prepare.distrust import raw_name
from facesr_bench.prepare.recipe import Raw
from facesr_bench.prepare.sources import SourceSet

_MARKS = "#:"
"""What separates a file from a record in it in :attr:`Raw.source` ("train.rec#12")."""


class Fingerprints:
    """Fingerprints of the images of a plan; made right after it.

    Two things decide one: the state of the file that :attr:`Raw.source` names, and the states of all
    other files that were read while planning, as lists of landmarks or boxes decide what is cut out. An
    image whose source names no file counts as made of everything there is.

    Args:
        sources: that the plan was made from.
        items: of the plan.
    """

    def __init__(self, sources: SourceSet, items: Sequence[Raw]) -> None:
        self._states: dict[str, str] = {}
        for entry in sources:
            where, state = entry.where, entry.container.state(entry.name)
            before = self._states.get(where)  # two archives of one name in two folders
            self._states[where] = state if before is None else f"{before}\n{state}"
        self._all = self._digest_of(self._states)
        images = {self._file(raw.source) for raw in items}
        self._lists = self._digest_of({entry.where for entry in sources.opened()} - images)

    def __call__(self, raw: Raw) -> str:
        """The fingerprint of one image."""
        file = self._file(raw.source)
        state = self._all if file is None else self._states[file]
        return _digest(self._lists, raw.source, state)[:16]

    def _digest_of(self, files: Iterable[str]) -> str:
        return _digest(*(f"{where}\0{self._states[where]}" for where in sorted(files)))

    def _file(self, source: str) -> str | None:
        if source in self._states:
            return source
        for end in range(len(source) - 1, 0, -1):
            if source[end] in _MARKS and source[:end] in self._states:
                return source[:end]
        return None


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(raw_name(part) + b"\n")
    return digest.hexdigest()
