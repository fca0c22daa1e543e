"""A tiny WIDER FACE in the owner's layout: six photos, the two forms of annotation, or zips of them.

Written from the description of the owner's files, not with the reader: the text file is literal bytes,
the MATLAB file is built cell by cell.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
from hydra.utils import get_method
from PIL import Image

from owners_files import write as write_folder  # noqa: F401  (tests reach it through this module)

TRAIN_TEXT = (
    b"0--Parade/0_Parade_marchingband_1_849.jpg\n"
    b"8\n"
    b"40 30 20 24 1 0 0 0 0 0 \n"  # passes
    b"100 60 48 40 2 1 1 0 1 1 \n"  # passes
    b"200 50 20 20 0 0 0 1 0 0 \n"  # invalid
    b"200 100 20 20 0 0 0 0 2 0 \n"  # heavy occlusion
    b"260 20 11 30 0 0 0 0 0 0 \n"  # one pixel too narrow
    b"180 20 60 49 0 0 0 0 0 0 \n"  # one pixel too large
    b"-4 150 20 20 0 0 0 0 0 0 \n"  # past the border
    b"40 30 20 24 1 0 0 0 0 0 \n"  # the first once more
    b"0--Parade/0_Parade_Parade_0_452.jpg\n"
    b"0\n"
    b"0 0 0 0 0 0 0 0 0 0 \n"
    b"37--Soccer/37_Soccer_Soccer_37_851.jpg\n"
    b"1\n"
    b"60 40 30 30 0 0 0 0 0 0 \n"  # passes
    b"54--Rescue/54_Rescue_rescuepeople_54_29.jpg\n"
    b"2\n"
    b"1050 142 0 50 2 0 0 0 0 0 \n"  # no width, and outside the photo
    b"120 80 16 12 0 0 1 0 0 0 \n"  # passes, as small as can be
)
VAL_TEXT = (
    b"39--Ice_Skating/39_Ice_Skating_iceskiing_39_583.jpg\n"
    b"2\n"
    b"80 50 40 40 0 0 0 0 0 0 \n"
    b"30 90 18 22 0 0 0 0 1 0 \n"
    b"39--Ice_Skating/39_Ice_Skating_iceskiing_39_999.jpg\n"
    b"1\n"
    b"80 50 24 20 0 0 0 0 0 0 \n"
)
TEXTS = {"train": TRAIN_TEXT, "val": VAL_TEXT}
LABELS = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
WIDTH, HEIGHT = 320, 200


def records(text: bytes) -> dict[str, list[list[int]]]:
    """Photo to its rows, for tests that change one and for the MATLAB twin."""
    found: dict[str, list[list[int]]] = {}
    for line in text.decode().split("\n"):
        if line.endswith(".jpg"):
            rows = found.setdefault(line, [])
        elif line.endswith(" ") and line.strip() != "0 0 0 0 0 0 0 0 0 0":
            rows.append([int(word) for word in line.split()])
    return found


def photo(name: str, rows: list[list[int]]) -> bytes:
    """A smooth background with one rendered face in every box that has room for one."""
    render = get_method("facesr_bench.datasets.synthface.render_face")
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    canvas = Image.fromarray(np.stack([x * 255 // WIDTH, y, 255 - y], -1).astype(np.uint8))
    for number, (left, top, width, height, *_) in enumerate(rows):
        if width > 0 and left < WIDTH:
            face = Image.fromarray(render(7, number, len(name), 64).image)
            canvas.paste(face.resize((width, height)), (left, top))
    buffer = io.BytesIO()
    canvas.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def matlab(text: bytes) -> bytes:
    """The same annotations as cells: (events, 1) of (photos, 1) of boxes (m, 4) and labels (m, 1)."""
    from scipy.io import savemat

    events: dict[str, dict[str, np.ndarray]] = {}
    for name, rows in records(text).items():
        event, file = name.split("/")
        numbers = np.array(rows or [[0] * 10], np.float64)
        events.setdefault(event, {})[file.removesuffix(".jpg")] = numbers

    def cells(values: list[object]) -> np.ndarray:
        column = np.empty((len(values), 1), object)
        for i, value in enumerate(values):
            column[i, 0] = value
        return column

    content = {
        "event_list": cells(list(events)),
        "file_list": cells([cells(list(photos)) for photos in events.values()]),
        "face_bbx_list": cells(
            [cells([faces[:, :4] for faces in photos.values()]) for photos in events.values()]
        ),
    }
    for column, label in enumerate(LABELS, 4):
        content[f"{label}_label_list"] = cells(
            [
                cells([faces[:, [column]].astype(np.uint8) for faces in photos.values()])
                for photos in events.values()
            ]
        )
    buffer = io.BytesIO()
    savemat(buffer, content)
    return buffer.getvalue()


def files(*, text: bool = True, mat: bool = True) -> dict[str, bytes]:
    """Path to content, as the three archives unpack."""
    found = {
        "wider_face_split/wider_face_test_filelist.txt": b"0--Parade/0_Parade_Parade_0_1.jpg\n"
    }
    for part, content in TEXTS.items():
        for name, rows in records(content).items():
            found[f"WIDER_{part}/images/{name}"] = photo(name, rows)
        if text:
            found[f"wider_face_split/wider_face_{part}_bbx_gt.txt"] = content
        if mat:
            found[f"wider_face_split/wider_face_{part}.mat"] = matlab(content)
    return found


def write_zips(root: Path, contents: dict[str, bytes]) -> Path:
    """As downloaded: WIDER_train.zip, WIDER_val.zip, wider_face_split.zip."""
    root.mkdir(parents=True, exist_ok=True)
    for top in sorted({name.split("/")[0] for name in contents}):
        with zipfile.ZipFile(root / f"{top}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in contents.items():
                if name.startswith(f"{top}/"):
                    archive.writestr(name, content)
    return root
