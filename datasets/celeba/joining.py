"""Images and annotation files brought together, and every gap between them said."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from facesr_bench.errors import DataError
from facesr_bench.prepare.sources import SourceSet

from .lists import TextList, find_list

Rows = TypeVar("Rows")


@dataclass
class Annotations:
    """The annotation files beside the images.

    Attributes:
        sources: where to look.
        notes: what there is to say of them, in the order they were read.
    """

    sources: SourceSet
    notes: list[str] = field(default_factory=list)

    def required(
        self,
        name: str,
        why: str,
        read: Callable[[TextList], dict[int, Rows]],
        images: Mapping[int, str],
    ) -> dict[int, Rows]:
        """A file that nothing works without.

        Args:
            name: of the file, without extension.
            why: what it is needed for.
            read: makes rows by image number of it.
            images: what must have a row: where it lies, by image number.

        Raises:
            DataError: it is not there, is damaged, or has no row for one of the images.
        """
        source = find_list(self.sources, name)
        if source is None:
            looked = ", ".join(str(path) for path in self.sources.paths)
            raise DataError(
                f"There is no {name}.txt ({why}) in {looked}, where {len(self.sources):,} files were "
                "found. It is part of CelebA (mmlab.ie.cuhk.edu.hk/projects/CelebA.html, folder Eval "
                "or Anno); add the folder that holds it with --src."
            )
        return self._read(source, read, images)

    def optional(
        self,
        name: str,
        what: str,
        read: Callable[[TextList], dict[int, Rows]],
        images: Mapping[int, str],
    ) -> dict[int, Rows]:
        """A file that may be missing: then there are no rows, and a note says so.

        Args:
            name: of the file, without extension.
            what: what is not known without it ("people").
            read: makes rows by image number of it.
            images: what must have a row when it is there.

        Raises:
            DataError: it is damaged, or has no row for one of the images.
        """
        source = find_list(self.sources, name)
        if source is None:
            self.notes.append(f"There is no {name}.txt, so no {what} are known.")
            return {}
        return self._read(source, read, images)

    def _read(
        self,
        source: TextList,
        read: Callable[[TextList], dict[int, Rows]],
        images: Mapping[int, str],
    ) -> dict[int, Rows]:
        rows = read(source)
        lacking = [number for number in images if number not in rows]
        if lacking:
            raise DataError(
                f"{source.entry.where} has {len(rows):,} rows but none for {images[lacking[0]]}"
                + (f" and {len(lacking) - 1:,} more" if len(lacking) > 1 else "")
                + ". Most often it was cut short: get it again."
            )
        if source.note:
            self.notes.append(source.note)
        return rows
