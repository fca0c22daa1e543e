"""A tiny version of the SCGAN authors' zip: five HIGH, three LOW, four test folders, their traps."""

import io
import zipfile
from pathlib import Path

import numpy as np
from hydra.utils import get_method
from PIL import Image


def png(number: int, side: int, *, alpha: bool = False) -> bytes:
    """A rendered face, with an uneven alpha channel if asked."""
    image = get_method("facesr_bench.datasets.synthface.render_face")(11, number, 0, side).image
    if alpha:
        image = np.dstack([image, np.arange(side * side, dtype=np.uint8).reshape(side, side)])
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def files() -> dict[str, bytes]:
    """Path to content. The names inside the folders are unknown; these are like FFHQ's and WIDER's."""
    found = {f"imgs_train/HIGH/{n:05d}.png": png(n, 64) for n in range(4)}
    found["imgs_train/HIGH/00004.png"] = png(4, 64, alpha=True)
    found |= {f"imgs_train/LOW/face_{n}.png": png(10 + n, 16) for n in range(3)}
    found["imgs_train/HIGH/._00000.png"] = b"\x00\x05\x16\x07 Mac OS X"
    found["__MACOSX/imgs_train/LOW/._face_0.png"] = b"\x00\x05\x16\x07 Mac OS X"
    found["imgs_train/LOW/.DS_Store"] = b"\x00\x00\x00\x01Bud1"
    for k, name in enumerate(("LS3D-w_balanced", "FFHQ", "Widerface", "WebFace")):
        found |= {f"imgs_test/{name}/{n}.png": png(20 + 10 * k + n, 16) for n in range(2)}
    found["imgs_test/Widerface/2.PNG"] = png(99, 16)
    return found


WRONG_SIZE = {"imgs_test/FFHQ/1.png": png(31, 32)}
"""To be laid over the files: one test image of another size."""


def write_zip(path: Path, contents: dict[str, bytes]) -> Path:
    """As downloaded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path
