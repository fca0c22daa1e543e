"""A laboratory's own data set, to test what every recipe goes through: images, plug-in, YAML."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

RECIPE = '''
import time
from functools import partial

import numpy as np

from facesr_bench.images import read_rgb
from facesr_bench.prepare.recipe import Plan, Raw, Recipe
from facesr_bench.prepare.sources import image_of

POINTS = np.array([[10, 12], [29, 12], [20, 21], [13, 30], [27, 30]], dtype=np.float32)


class Lab(Recipe):
    """SPLIT/PERSON_NUMBER.png (or .jpg); a split called lr... holds LR."""

    name, title, licence, where = "lab", "Laboratory faces", "ours alone", "the lab's disk, drawer 3"
    expected, disk = ("lab.zip",), "1 MB"
    size = 16

    def __init__(self, pad: int = 0, slow: float = 0.0, points: bool = True, flat: bool = False,
                 lr_size: int | None = None) -> None:
        self.pad, self.slow, self.points, self.flat, self.lr_size = pad, slow, points, flat, lr_size

    def plan(self, sources):
        items = []
        for entry in [*sources.find("*/*.png"), *sources.find("*/*.jpg")]:
            folder, base = entry.name.split("/")[-2:]
            person, _, number = base.rpartition(".")[0].partition("_")
            low = folder.startswith("lr")
            items.append(Raw(
                key=f"{person}_{number}.png" if self.flat else f"{folder}/{person}_{number}.png",
                split=folder.removeprefix("lr-"), read=partial(self.read, entry, self.pad),
                source=entry.where, identity=person, role="lr" if low else "hr",
                attributes={"number": float(number), "Hat": float(int(number) % 2)},
                landmarks=POINTS if self.points and not low else None, domain="odd" if int(number) % 2
                else "even", read_border=partial(self.read, entry, 0) if self.pad else None,
                border=(self.pad,) * 4,
            ))
        return Plan(items, [f"{len(items)} files were looked at."])

    def read(self, entry, pad):
        time.sleep(self.slow)
        image = read_rgb(image_of(entry), orientation="stored")
        return image[pad : image.shape[0] - pad, pad : image.shape[1] - pad]


class Stretched(Lab):
    stretch = True


class Enlarged(Lab):
    enlarge = True
'''


def face(seed: int, height: int = 40, width: int = 40) -> np.ndarray:
    """A smooth picture of its own."""
    small = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def encode(image: np.ndarray, kind: str = "PNG") -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


def faces(train: int = 8, test: int = 4, low: int = 0, side: int = 40) -> dict[str, bytes]:
    """File name to content; two images for each person."""
    found = {}
    for split, count in (("train", train), ("test", test)):
        for n in range(count):
            found[f"{split}/p{split[1]}{n // 2}_{n}.png"] = encode(
                face(n + 100 * (split == "test"), side, side)
            )
    for n in range(low):
        found[f"lr-train/w{n}_{n}.png"] = encode(face(500 + n, 12, 12))
    return found


def write(root: Path, contents: dict[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def install(root: Path) -> Path:
    """Write the plug-in and its YAMLs below ``root``; returns the folder for ``--config-dir``."""
    write(root, {
        "lab_faces.py": RECIPE.encode(),
        "conf/prepare/lab.yaml": b"_target_: lab_faces.Lab\npad: 0\nslow: 0.0\npoints: true\n",
        "conf/prepare/stretched.yaml": b"_target_: lab_faces.Stretched\n",
        "conf/prepare/enlarged.yaml": b"_target_: lab_faces.Enlarged\n",
    })  # fmt: skip
    return root / "conf"
