"""A tiny Multi-PIE in the owner's layout: people 108 and 250 in sessions 01 and 02.

Cameras 05_1, 14_0 and 08_1 (upside down), flashes 00, 07 and 14, recording 01; one frame of recording
02; one high-resolution photo in each session. Every name is written out by the owner's grammar here,
not by the recipe's.
"""

import io
from pathlib import Path

import numpy as np
from hydra.utils import get_method
from PIL import Image

PEOPLE = ("108", "250")
SESSIONS = ("01", "02")
CAMERAS = {"05_1": "051", "14_0": "140", "08_1": "081"}
FLASHES = ("00", "07", "14")
OWNERS_EXAMPLE = "session02/multiview/108/01/05_1/108_02_01_051_07.png"
BOX = (223, 120, 193, 240)
"""Left, top, width, height: the middle of the frame, 107:133, half as high as the frame."""


def frame(person: str, session: str, camera: str, flash: str) -> np.ndarray:
    """480x640: a face of 128 px in a room; camera and flash change place and brightness."""
    canvas = np.zeros((480, 640, 3), np.float64)
    canvas += np.linspace(20, 90, 640)[None, :, None]
    face = get_method("facesr_bench.datasets.synthface.render_face")(
        9, int(person) + int(session), 0, 128
    ).image
    left = 256 + 7 * (list(CAMERAS).index(camera) - 1)
    canvas[176:304, left : left + 128] = face
    image = (canvas * (0.4 + 0.3 * FLASHES.index(flash))).clip(0, 255).astype(np.uint8)
    return image[::-1, ::-1] if camera == "08_1" else image


def name(person: str, session: str, camera: str, flash: str, recording: str = "01") -> str:
    """Where a frame lies."""
    return (
        f"session{session}/multiview/{person}/{recording}/{camera}/"
        f"{person}_{session}_{recording}_{CAMERAS[camera]}_{flash}.png"
    )


def encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(
        buffer, kind, **({"compress_level": 1} if kind == "PNG" else {})
    )
    return buffer.getvalue()


def files() -> dict[str, bytes]:
    """Path to content."""
    found = {}
    for person in PEOPLE:
        for session in SESSIONS:
            for camera in CAMERAS:
                for flash in FLASHES:
                    content = encoded(frame(person, session, camera, flash))
                    found[name(person, session, camera, flash)] = content
            photo = encoded(np.full((60, 90, 3), 77, np.uint8), "JPEG")
            found[f"session{session}/highres/{person}/{person}_{session}_01.jpg"] = photo
    found[name("108", "01", "05_1", "07", "02")] = encoded(frame("108", "01", "05_1", "07"))
    found["meta/subject_list.txt"] = b"108 1980 Male 1 1 0 0\n"
    return found


def crops() -> dict[str, bytes]:
    """The same as common 128x128 crops, in one folder."""
    left, top, width, height = BOX
    found = {}
    for person in PEOPLE:
        for flash in ("07", "14"):
            image = frame(person, "01", "05_1", flash)[top : top + height, left : left + width]
            small = Image.fromarray(image).resize((128, 128), Image.Resampling.BICUBIC)
            found[f"crops/{person}_01_01_051_{flash}_crop_128.png"] = encoded(np.asarray(small))
    return found


def write(root: Path, contents: dict[str, bytes]) -> Path:
    """As on the owner's disk."""
    for path, content in contents.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root
