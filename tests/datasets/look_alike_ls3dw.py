"""A tiny LS3D-W balanced in the owner's layout: new_dataset/{1,2,3,10}.{jpg,t7}; face 2 has doubles.

The .t7 heads are literal bytes, so that writer and reader cannot share a wrong idea of the format.
"""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
from hydra.utils import get_method
from PIL import Image

FLOAT_HEAD = (
    b"\x04\x00\x00\x00\x01\x00\x00\x00"  # a Torch class, object 1
    b"\x03\x00\x00\x00V 1"
    b"\x11\x00\x00\x00torch.FloatTensor"
    b"\x02\x00\x00\x00"  # two dimensions
    b"\x44\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"  # 68 x 2
    b"\x02\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"  # strides 2, 1
    b"\x01\x00\x00\x00\x00\x00\x00\x00"  # offset 1
    b"\x04\x00\x00\x00\x02\x00\x00\x00"  # a Torch class, object 2
    b"\x03\x00\x00\x00V 1"
    b"\x12\x00\x00\x00torch.FloatStorage"
    b"\x88\x00\x00\x00\x00\x00\x00\x00"  # 136 numbers
)
DOUBLE_HEAD = (
    b"\x04\x00\x00\x00\x01\x00\x00\x00\x03\x00\x00\x00V 1\x12\x00\x00\x00torch.DoubleTensor"
    b"\x02\x00\x00\x00\x44\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"
    b"\x02\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"
    b"\x01\x00\x00\x00\x00\x00\x00\x00"
    b"\x04\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00V 1\x13\x00\x00\x00torch.DoubleStorage"
    b"\x88\x00\x00\x00\x00\x00\x00\x00"
)
NUMBERS = (1, 2, 3, 10)
PLACES = {1: (11, 6), 2: (11, 6), 3: (0, 12), 10: (-30, 6)}
"""Where the rendered face lies in its photo of 150 x 140; the last is cut by the border."""


def t7(points: np.ndarray, *, double: bool = False) -> bytes:
    """669 bytes with floats, 1,215 with doubles."""
    numbers = points.reshape(-1).tolist()
    return (DOUBLE_HEAD if double else FLOAT_HEAD) + struct.pack(
        "<136d" if double else "<136f", *numbers
    )


def five(number: int) -> np.ndarray:
    """The rendered face's own landmarks, in its photo."""
    return face(number).landmarks + np.array(PLACES[number])


def face(number: int):
    """One rendered face of 128 px."""
    return get_method("facesr_bench.datasets.synthface.render_face")(5, number, 0, 128)


def points68(number: int) -> np.ndarray:
    """68 landmarks about the five exact ones: rings for the eyes, an oval for the jaw."""
    left, right, nose, corner, other = five(number).astype(np.float64)
    middle = (left + right + corner + other) / 4
    reach = np.linalg.norm(right - left)
    turn = np.linspace(0, 2 * np.pi, 6, endpoint=False)
    ring = 0.15 * reach * np.stack([np.cos(turn), 0.5 * np.sin(turn)], -1)
    points = np.tile(middle, (68, 1))
    jaw = np.linspace(0, np.pi, 17)
    points[:17] += reach * np.stack([-np.cos(jaw), 1.2 * np.sin(jaw)], -1)
    points[17:27] += reach * np.stack([np.linspace(-0.8, 0.8, 10), np.full(10, -0.7)], -1)
    points[27:36] = nose
    points[36:42], points[42:48] = left + ring, right + ring
    points[48:68] = (corner + other) / 2
    points[48], points[54] = corner, other
    return points


def photo(number: int) -> bytes:
    """A photo with the face somewhere in it."""
    canvas = Image.new("RGB", (150, 140), (90, 120, 60))
    canvas.paste(Image.fromarray(face(number).image), PLACES[number])
    buffer = io.BytesIO()
    canvas.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def files() -> dict[str, bytes]:
    """Path to content."""
    found = {}
    for number in NUMBERS:
        found[f"new_dataset/{number}.jpg"] = photo(number)
        found[f"new_dataset/{number}.t7"] = t7(points68(number), double=number == 2)
    return found


def write_zip(path: Path, contents: dict[str, bytes]) -> Path:
    """As downloaded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path
