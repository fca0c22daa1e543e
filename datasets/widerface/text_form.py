"""``wider_face_{train,val}_bbx_gt.txt``: a photo's path, its number of faces, ten numbers for each.

Lines end in a blank, and a photo without faces is still followed by one line of zeros.
"""

from facesr_bench.errors import DataError
from facesr_bench.prepare.sources import Entry

from .annotations import COLUMNS, Annotations, Faces, check_faces, check_photo


def read_text_form(entry: Entry) -> Annotations:
    """Parse the text file.

    Raises:
        DataError: with the line that is not what it should be, or a photo described twice.
    """
    lines = [line.split() for line in entry.text().splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    found: dict[str, Faces] = {}
    at = 0
    while at < len(lines):
        where = f"{entry.where}, line {at + 1}"
        photo = check_photo(" ".join(lines[at]), where)
        if photo in found:
            raise DataError(f"{where}: the photo {photo!r} was already described.")
        if at + 1 == len(lines):
            raise _cut_short(entry, photo)
        count = _count(lines[at + 1], f"{entry.where}, line {at + 2}")
        at += 2
        rows = lines[at : at + max(count, 1)]
        if count == 0:
            rows = rows if rows and len(rows[0]) == len(COLUMNS) else []
        elif len(rows) < count:
            raise _cut_short(entry, photo)
        found[photo] = _faces(rows, entry, at) if count else check_faces([], where)
        at += len(rows)
    if not found:
        raise DataError(f"{entry.where} describes no photo. Get it again from the owner.")
    return found


def _count(words: list[str], where: str) -> int:
    if len(words) != 1 or not words[0].isdecimal():
        raise DataError(f"{where}: expected a number of faces, but it is {' '.join(words)!r}.")
    return int(words[0])


def _faces(rows: list[list[str]], entry: Entry, at: int) -> Faces:
    where = f"{entry.where}, lines {at + 1} to {at + len(rows)}"
    try:
        numbers = [[int(word) for word in words] for words in rows]
    except ValueError as error:
        raise DataError(f"{where}: faces are whole numbers ({error}).") from None
    if any(len(row) != len(COLUMNS) for row in numbers):
        raise DataError(
            f"{where}: a face has {len(COLUMNS)} numbers, {' '.join(COLUMNS)}; one line has "
            f"{next(len(row) for row in numbers if len(row) != len(COLUMNS))}."
        )
    return check_faces(numbers, where)


def _cut_short(entry: Entry, photo: str) -> DataError:
    return DataError(
        f"{entry.where} ends in the middle of the faces of {photo!r}: it was cut short. Get it again "
        "from the owner."
    )
