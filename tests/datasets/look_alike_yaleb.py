"""A tiny CroppedYale in the owner's layout: people 11 and 30 under four lights, and what lies around.

The PGM heads are literal bytes. Person 11 has the owner's .pgm.bad; both have the ambient photo of
640x480, the list of files (.info) and an upload's log.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
from hydra.utils import get_method
from PIL import Image

from owners_files import write as write_folder  # noqa: F401  (tests reach it through this module)

HEAD = b"P5\n168 192\n255\n"
COMMENTED = b"P5\n# written by xv\n168 192\n255\n"
LIGHTS = {11: ("A+000E+00", "A-035E+15", "A+070E-35", "A+000E+90"),
          30: ("A+000E+00", "A-035E+15", "A-110E+15", "A-020E-40")}  # fmt: skip
BAD = "A-110E+15"
ELEVATIONS = {
    0: (0, 20, 45, 90, -20, -35), 5: (10, -10), 10: (0, -20), 15: (20,), 20: (10, -10, -40), 25: (0,),
    35: (15, 40, 65, -20), 50: (0, -40), 60: (20, -20), 70: (0, 45, -35), 85: (20, -20), 95: (0,),
    110: (15, 40, 65, -20), 120: (0,), 130: (20,),
}  # fmt: skip
"""By azimuth, the same on both sides."""
ALL_LIGHTS = [
    f"A{azimuth:+04d}E{elevation:+03d}"
    for side, elevations in ELEVATIONS.items()
    for azimuth in sorted({side, -side})
    for elevation in elevations
]
"""The owner's 64."""


def pixels(person: int, light: str) -> np.ndarray:
    """(192, 168) grey, a rendered face, darker for every light."""
    face = get_method("facesr_bench.datasets.synthface.render_face")(7, person, 0, 128).image
    grey = Image.fromarray(face).convert("L").resize((168, 192), Image.Resampling.BICUBIC)
    shade = 1 / (1 + LIGHTS[person].index(light))
    return (np.asarray(grey) * shade).astype(np.uint8)


def pgm(person: int, light: str) -> bytes:
    """One image's file."""
    head = COMMENTED if light == "A-035E+15" else HEAD
    return head + pixels(person, light).tobytes()


def named(person: int, light: str) -> str:
    """Where it lies."""
    return f"CroppedYale/yaleB{person:02d}/yaleB{person:02d}_P00{light}.pgm"


def files() -> dict[str, bytes]:
    """Path to content."""
    found = {}
    for person, lights in LIGHTS.items():
        folder = f"CroppedYale/yaleB{person:02d}/"
        for light in lights:
            found[named(person, light)] = pgm(person, light)
        found[f"{folder}yaleB{person:02d}_P00_Ambient.pgm"] = b"P5\n640 480\n255\n" + bytes(307200)
        found[f"{folder}yaleB{person:02d}_P00.info"] = b"yaleB11_P00_Ambient.pgm\r\n"
        found[f"{folder}WS_FTP.LOG"] = b"100.01.01 12:00 A yaleB\r\n"
    found[named(11, BAD) + ".bad"] = HEAD + bytes(100)
    found["CroppedYale/yaleB30/DEADJOE"] = b"*** These modified files were found in JOE\n"
    return found


def write_zip(path: Path, contents: dict[str, bytes]) -> Path:
    """As downloaded."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return path
