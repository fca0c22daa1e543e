"""A tiny CelebA in the owner's layout: ten photos of three people, all lists, CRLF throughout.

Lines are literal bytes from the description of the owner's files, not made with the reader. Photos have
the numbers at which the owner's splits change; each shows one rendered face where TDN's crop is.
"""

import io
from pathlib import Path

import numpy as np
from hydra.utils import get_method
from PIL import Image

from owners_files import write, zipped

WIDTH, HEIGHT = 178, 218
FACE = (34, 54, 107, 133)
"""Left, top, width and height of the face in the photo: TDN's crop."""

PARTITION = (
    b"000001.jpg 0\r\n"
    b"000002.jpg 0\r\n"
    b"000003.jpg 0\r\n"
    b"000004.jpg 0\r\n"
    b"162770.jpg 0\r\n"
    b"162771.jpg 1\r\n"
    b"162772.jpg 1\r\n"
    b"182637.jpg 1\r\n"
    b"182638.jpg 2\r\n"
    b"182639.jpg 2\r\n"
    b"202599.jpg 2\r\n"  # listed, but the photo is not there
)
IDENTITY = (
    b"000001.jpg 2880\r\n"
    b"000002.jpg 2880\r\n"
    b"000003.jpg 2880\r\n"
    b"000004.jpg 2880\r\n"
    b"162770.jpg 2880\r\n"
    b"162771.jpg 17\r\n"
    b"162772.jpg 17\r\n"
    b"182637.jpg 17\r\n"
    b"182638.jpg 10177\r\n"
    b"182639.jpg 10177\r\n"
    b"202599.jpg 10177\r\n"
)
ATTRIBUTE_NAMES = (
    b"5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose "
    b"Black_Hair Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee "
    b"Gray_Hair Heavy_Makeup High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard "
    b"Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair "
    b"Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace Wearing_Necktie "
    b"Young \r\n"
)
LANDMARK_NAMES = (
    b"lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x "
    b"rightmouth_y\r\n"
)
NUMBERS = [int(line[:6]) for line in PARTITION.split(b"\r\n") if line]
PHOTOS = NUMBERS[:-1]
HOLDS = {1: [1, 21], 2: [11], 3: [16], 162771: [36], 182638: [40]}
"""Attributes that hold, counted from 1 as in the papers: 11 Blurry, 16 Eyeglasses, 36 Wearing_Hat."""


def attribute_row(number: int, holds: list[int]) -> bytes:
    """The first value stands unpadded, the others in two places."""
    values = [1 if place in holds else -1 for place in range(1, 41)]
    return b"%06d.jpg %d%s\r\n" % (number, values[0], b"".join(b" %2d" % v for v in values[1:]))


def landmark_row(number: int, values: list[int]) -> bytes:
    """60 bytes: the first value in two places, the others in five."""
    return b"%06d.jpg %2d%s\r\n" % (number, values[0], b"".join(b"%5d" % v for v in values[1:]))


def full_partition() -> bytes:
    """The owner's whole list_eval_partition.txt."""
    lines = []
    for number in range(1, 202_600):
        lines.append(b"%06d.jpg %d\r\n" % (number, (number > 162_770) + (number > 182_637)))
    return b"".join(lines)


def face(number: int) -> tuple[Image.Image, np.ndarray]:
    """A rendered face and its five points, first pixel's centre at 0."""
    person = {0: 2880, 1: 17, 2: 10177}[(number > 162_770) + (number > 182_637)]
    drawn = get_method("facesr_bench.datasets.synthface.render_face")(11, person, number % 97, 64)
    return Image.fromarray(drawn.image), np.asarray(drawn.landmarks, np.float64)


def points(number: int) -> np.ndarray:
    """Whole pixels of the photo, as the owner gives them."""
    left, top, width, height = FACE
    scale = np.array([width, height]) / 64
    return np.rint((face(number)[1] + 0.5) * scale - 0.5 + [left, top]).astype(int)


def photo(number: int, kind: str = "JPEG") -> bytes:
    """178 wide, 218 high."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    ramp = np.stack([x + 40, y, 255 - y], -1).astype(np.uint8)
    canvas = Image.fromarray(ramp)
    left, top, width, height = FACE
    canvas.paste(face(number)[0].resize((width, height), Image.Resampling.BICUBIC), (left, top))
    buffer = io.BytesIO()
    canvas.save(buffer, kind, quality=95)
    return buffer.getvalue()


def lists() -> dict[str, bytes]:
    """The four lists as they lie in Eval and Anno."""
    count = b"%d\r\n" % len(NUMBERS)
    holds = [attribute_row(n, HOLDS.get(n, [])) for n in NUMBERS]
    marks = [landmark_row(n, points(n).ravel().tolist()) for n in NUMBERS]
    return {
        "Eval/list_eval_partition.txt": PARTITION,
        "Anno/identity_CelebA.txt": IDENTITY,
        "Anno/list_attr_celeba.txt": count + ATTRIBUTE_NAMES + b"".join(holds),
        "Anno/list_landmarks_align_celeba.txt": count + LANDMARK_NAMES + b"".join(marks),
    }


def photos() -> dict[str, bytes]:
    """Path in img_align_celeba.zip to content."""
    return {f"img_align_celeba/{number:06d}.jpg": photo(number) for number in PHOTOS}


def write_owners(root: Path) -> Path:
    """As downloaded: Img/img_align_celeba.zip, Eval and Anno."""
    zipped(root / "Img" / "img_align_celeba.zip", photos())
    return write(root, lists())
