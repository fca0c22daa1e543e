"""``wider_face_{train,val}.mat``: the same annotations as nested cells, one for each event.

Read without ``squeeze_me``: with it, the cells of an event that has one photo collapse.
"""

from typing import Any

import numpy as np

from facesr_bench.errors import DataError
from facesr_bench.prepare.sources import Entry, as_stream, refuse_placeholder

from .annotations import COLUMNS, Annotations, Faces, check_faces, check_photo

_LABELS = tuple(f"{name}_label_list" for name in COLUMNS[4:])
_VARIABLES = ("event_list", "file_list", "face_bbx_list", *_LABELS)


def read_matlab_form(entry: Entry) -> Annotations:
    """Parse the MATLAB file; photos there lack their extension.

    Raises:
        DataError: it is no MATLAB 5 file, lacks a variable, or its cells do not fit together.
    """
    content = _load(entry)
    found: dict[str, Faces] = {}
    for e in range(len(content["event_list"])):
        try:
            event = str(content["event_list"][e, 0][0])
            names = content["file_list"][e, 0]
            for i in range(len(names)):
                photo = f"{event}/{names[i, 0][0]}.jpg"
                parts = [content[name][e, 0][i, 0] for name in _VARIABLES[2:]]
                where = f"{entry.where}, {photo}"
                check_photo(photo, where)
                if photo in found:
                    raise DataError(f"{where}: the photo was already described.")
                found[photo] = check_faces(_join(parts), where)
        except (IndexError, TypeError, ValueError) as error:
            raise DataError(
                f"{entry.where}: the lists of event {e} do not fit together ({error}). Get the file "
                "again from the owner."
            ) from error
    if not found:
        raise DataError(f"{entry.where} describes no photo. Get it again from the owner.")
    return found


def _load(entry: Entry) -> dict[str, Any]:
    from scipy.io import loadmat

    raw = entry.read()
    refuse_placeholder(raw, entry.where)
    try:
        content: dict[str, Any] = loadmat(as_stream(raw), variable_names=list(_VARIABLES))
    except Exception as error:  # scipy raises what it stumbles over: struct, zlib, type errors
        raise DataError(f"{entry.where} is not a whole MATLAB file ({error}).") from error
    lacking = [name for name in _VARIABLES if name not in content]
    if lacking:
        raise DataError(
            f"{entry.where} lacks {', '.join(lacking)}. Boxes come with the train and val files; the "
            "test file has none."
        )
    return content


def _join(parts: list[Any]) -> Any:
    """Boxes (m, 4) and six labels (m, 1) side by side."""
    return np.concatenate([np.asarray(part, np.float64).reshape(-1, width) for part, width in
                           zip(parts, (4, 1, 1, 1, 1, 1, 1), strict=True)], axis=1)  # fmt: skip
