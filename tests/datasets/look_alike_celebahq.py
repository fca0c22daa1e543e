"""A tiny CelebAMask-HQ in the owner's layout: images 0, 1, 2, 10, 11; 3 is listed and missing.

The mapping's rows are the owner's 33 bytes, written out; its photos lie on both sides of the limits of
CelebA's split, where a mapping that counts from 0 and one that counts from 1 could differ.
"""

import io

from hydra.utils import get_method
from PIL import Image

from owners_files import write, zipped  # noqa: F401  (tests reach it through this module)

HEADER = b"idx        orig_idx   orig_file\n"
MAPPING = (
    b"0          119613     119614.jpg\n"
    b"1          162769     162770.jpg\n"
    b"2          162770     162771.jpg\n"
    b"3          99094      099095.jpg\n"  # its image is missing
    b"10         182636     182637.jpg\n"
    b"11         182637     182638.jpg\n"
)
NUMBERS = (0, 1, 2, 10, 11)
PARTITION = (
    b"099095.jpg 0\r\n"
    b"119614.jpg 0\r\n"
    b"162770.jpg 0\r\n"
    b"162771.jpg 1\r\n"
    b"182637.jpg 1\r\n"
    b"182638.jpg 2\r\n"
)
IDENTITY = (
    b"099095.jpg 5\r\n"
    b"119614.jpg 5\r\n"
    b"162770.jpg 2880\r\n"
    b"162771.jpg 17\r\n"
    b"182637.jpg 18\r\n"
    b"182638.jpg 10177\r\n"
)
ATTRIBUTES = (
    b"6\n"
    b"Blurry Male Young \n"
    b"0.jpg -1  1  1\n"
    b"1.jpg 1 -1 -1\n"
    b"2.jpg -1 -1 -1\n"
    b"3.jpg -1 -1 -1\n"
    b"10.jpg -1 -1  1\n"
    b"11.jpg -1  1 -1\n"
)
POSE = (
    b"6\n"
    b"Yaw Pitch Raw\n"
    b"0.jpg -1.25 10.5 0.75\n"
    b"1.jpg 2.5 -3.0 1.0\n"
    b"2.jpg 0.0 0.0 0.0\n"
    b"3.jpg 0.0 0.0 0.0\n"
    b"10.jpg 30.0 1.0 -2.0\n"
    b"11.jpg 0.5 0.5 0.5\n"
)
IMAGE_LIST = (
    b"idx orig_idx orig_file proc_md5 final_md5\r\n"
    b"0 119613 119614.jpg 0aa8d6e2d6a4b0b2b0a3f7f7b9f0c4c1 5bb2d6e2d6a4b0b2b0a3f7f7b9f0c4c1\r\n"
    b"1 162769 162770.jpg 1aa8d6e2d6a4b0b2b0a3f7f7b9f0c4c1 6bb2d6e2d6a4b0b2b0a3f7f7b9f0c4c1\r\n"
    b"2 162770 162771.jpg 2aa8d6e2d6a4b0b2b0a3f7f7b9f0c4c1 7bb2d6e2d6a4b0b2b0a3f7f7b9f0c4c1\r\n"
    b"3 99094 099095.jpg 3aa8d6e2d6a4b0b2b0a3f7f7b9f0c4c1 8bb2d6e2d6a4b0b2b0a3f7f7b9f0c4c1\r\n"
    b"10 182636 182637.jpg 4aa8d6e2d6a4b0b2b0a3f7f7b9f0c4c1 9bb2d6e2d6a4b0b2b0a3f7f7b9f0c4c1\r\n"
    b"11 182637 182638.jpg 5aa8d6e2d6a4b0b2b0a3f7f7b9f0c4c1 abb2d6e2d6a4b0b2b0a3f7f7b9f0c4c1\r\n"
)
"""NVIDIA's own list of the same rows."""


def image(number: int, side: int = 1024) -> bytes:
    """A rendered face, enlarged."""
    drawn = get_method("facesr_bench.datasets.synthface.render_face")(3, number, 0, 64).image
    buffer = io.BytesIO()
    Image.fromarray(drawn).resize((side, side), Image.Resampling.BILINEAR).save(buffer, "JPEG")
    return buffer.getvalue()


def mask() -> bytes:
    """A part of a face in CelebAMask-HQ-mask-anno."""
    buffer = io.BytesIO()
    Image.new("L", (512, 512), 255).save(buffer, "PNG")
    return buffer.getvalue()


def owners() -> dict[str, bytes]:
    """Path in CelebAMask-HQ.zip to content."""
    found = {f"CelebAMask-HQ/CelebA-HQ-img/{number}.jpg": image(number) for number in NUMBERS}
    return found | {
        "CelebAMask-HQ/CelebAMask-HQ-mask-anno/0/00000_hair.png": mask(),
        "CelebAMask-HQ/CelebAMask-HQ-mask/0.png": mask(),  # as the owner's g_mask.py joins the parts
        "CelebAMask-HQ/CelebA-HQ-to-CelebA-mapping.txt": HEADER + MAPPING,
        "CelebAMask-HQ/CelebAMask-HQ-attribute-anno.txt": ATTRIBUTES,
        "CelebAMask-HQ/CelebAMask-HQ-pose-anno.txt": POSE,
        "CelebAMask-HQ/README.txt": b"CelebAMask-HQ\n",
    }


def celeba() -> dict[str, bytes]:
    """The two lists that come from CelebA."""
    return {"celeba/list_eval_partition.txt": PARTITION, "celeba/identity_CelebA.txt": IDENTITY}
