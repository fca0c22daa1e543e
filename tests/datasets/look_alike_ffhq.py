"""A tiny FFHQ in the owner's layout: five images in three folders, thumbnails, JSON, and its copies."""

import hashlib
import io
import json
import zlib

import numpy as np
from hydra.utils import get_method
from PIL import Image

from owners_files import write, zipped  # noqa: F401  (tests reach it through this module)

NUMBERS = (0, 1, 1000, 60000, 60001)
PATHS = {
    0: "00000/00000.png",
    1: "00000/00001.png",
    1000: "01000/01000.png",
    60000: "60000/60000.png",
    60001: "60000/60001.png",
}
"""In images1024x1024 and thumbnails128x128: folders of a thousand, named by their first image."""
PACKED = {
    0: "00000/img00000000.png",
    1: "00000/img00000001.png",
    1000: "00001/img00001000.png",
    60000: "00060/img00060000.png",
    60001: "00060/img00060001.png",
}
"""In a zip of StyleGAN2-ADA's dataset tool: folders are counted."""
LICENCE = b"The individual images were published in Flickr by their respective authors ...\n"


def face(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A rendered face of 64 pixels and its five points."""
    drawn = get_method("facesr_bench.datasets.synthface.render_face")(5, number, 0, 64)
    return drawn.image, np.asarray(drawn.landmarks, np.float64)


def pixels(number: int, side: int) -> np.ndarray:
    """The face enlarged by whole pixels, so that the mean of every block is the rendered face."""
    return np.kron(face(number)[0], np.ones((side // 64, side // 64, 1), np.uint8))


def png(array: np.ndarray) -> bytes:
    """Lossless."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def with_long_text(content: bytes) -> bytes:
    """The same PNG with a compressed text that unpacks to more than Pillow takes."""
    data = b"Comment\0\0" + zlib.compress(bytes(3 << 20))
    chunk = len(data).to_bytes(4, "big") + b"zTXt" + data
    chunk += zlib.crc32(chunk[4:]).to_bytes(4, "big")
    return content[:33] + chunk + content[33:]  # after IHDR


def points68(number: int) -> list[list[float]]:
    """68 points of the 1024x1024 whose means and members are the rendered five."""
    five = (face(number)[1] + 0.5) * 16 - 0.5
    around = 10 * np.stack([np.cos(np.arange(6)), np.sin(np.arange(6))], -1)
    around -= around.mean(0)
    points = np.full((68, 2), 512.0)
    points[36:42], points[42:48] = five[0] + around, five[1] + around
    points[30], points[48], points[54] = five[2], five[3], five[4]
    return points.tolist()


def record(number: int, images: dict[str, bytes]) -> dict[str, object]:
    """One entry of the JSON, every key the owner's."""

    def part(folder: str, side: int) -> dict[str, object]:
        content = images[f"{folder}/{PATHS[number]}"]
        return {
            "file_url": "https://drive.google.com/uc?id=1xyz",
            "file_path": f"{folder}/{PATHS[number]}",
            "file_size": len(content),
            "file_md5": hashlib.md5(content).hexdigest(),
            "pixel_size": [side, side],
            "pixel_md5": hashlib.md5(pixels(number, side).tobytes()).hexdigest(),
        }

    return {
        "category": "training" if number < 60000 else "validation",
        "metadata": {
            "photo_url": "https://www.flickr.com/photos/x/1/",
            "photo_title": "DSCF0899.JPG",
            "author": "Jeremy Frumkin",
            "country": "",
            "license": "Attribution-NonCommercial License",
            "license_url": "https://creativecommons.org/licenses/by-nc/2.0/",
            "date_uploaded": "2007-08-16",
            "date_crawled": "2018-10-10",
        },
        "image": {**part("images1024x1024", 1024), "face_landmarks": points68(number)},
        "thumbnail": part("thumbnails128x128", 128),
        "in_the_wild": {
            "file_url": "https://drive.google.com/uc?id=2xyz",
            "file_path": f"in-the-wild-images/{PATHS[number]}",
            "file_size": 3991569,
            "file_md5": "1dc0287e73e485efb0516a80ce9d42b4",
            "pixel_size": [2016, 1512],
            "pixel_md5": "86b3470c42e33235d76b979161fb2327",
            "face_rect": [667, 410, 1438, 1181],
            "face_landmarks": [[900.0 + i, 800.0] for i in range(68)],
            "face_quad": [[371, 276], [371, 1502], [1597, 1502], [1597, 276]],
        },
    }


def images() -> dict[str, bytes]:
    """Both official sizes, each folder with the owner's licence text in it."""
    found: dict[str, bytes] = {}
    for folder, side in (("images1024x1024", 1024), ("thumbnails128x128", 128)):
        for number, path in PATHS.items():
            found[f"{folder}/{path}"] = png(pixels(number, side))
            found[f"{folder}/{path[:5]}/LICENSE.txt"] = LICENCE
    return found


def metadata(contents: dict[str, bytes]) -> bytes:
    """ffhq-dataset-v2.json; the md5 of image 1's file is a wrong one."""
    records = {str(number): record(number, contents) for number in NUMBERS}
    records["1"]["image"]["file_md5"] = "ddeaeea6ce59569643715759d537fd1b"
    return json.dumps(records).encode()


def packed(side: int) -> dict[str, bytes]:
    """What a zip of StyleGAN2-ADA's dataset tool holds."""
    found = {path: png(pixels(number, side)) for number, path in PACKED.items()}
    return found | {"dataset.json": b'{"labels": null}'}


def flat(side: int, kind: str = "PNG") -> dict[str, bytes]:
    """A copy with all images in one folder."""
    found = {}
    for number in NUMBERS:
        buffer = io.BytesIO()
        Image.fromarray(pixels(number, side)).save(buffer, kind)
        found[f"{number:05d}.{'png' if kind == 'PNG' else 'jpg'}"] = buffer.getvalue()
    return found
