"""A tiny CASIA-WebFace, three people and six images, as folders and as InsightFace's records.

The records are written from the description of the format: one image's labels are an array, one record
is parted because its JPEG holds the magic number, and every record is padded to four bytes.
"""

import io
import struct

from hydra.utils import get_method
from PIL import Image

from owners_files import write as write_folder  # noqa: F401  (tests reach it through this module)

MAGIC = b"\x0a\x23\xd7\xce"
PEOPLE = {"0000045": 2, "0000099": 3, "0000100": 1}
ARRAY_LABEL, PARTED = 3, 5
"""Record numbers of the two odd ones."""


def jpeg(person: int, photo: int, side: int) -> bytes:
    """A rendered face, 128 px, within a grey photo of this side or cut to it."""
    face = get_method("facesr_bench.datasets.synthface.render_face")(3, person, photo, 128).image
    canvas = Image.new("RGB", (side, side), (128, 128, 128))
    canvas.paste(Image.fromarray(face), ((side - 128) // 2, (side - 128) // 2))
    buffer = io.BytesIO()
    canvas.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def images(side: int) -> list[tuple[str, int, bytes]]:
    """Path, label, JPEG in the order of the list."""
    return [
        (f"{folder}/{photo + 1:03d}.jpg", label, jpeg(label, photo, side))
        for label, (folder, count) in enumerate(PEOPLE.items())
        for photo in range(count)
    ]


def folders() -> dict[str, bytes]:
    """As CASIA distributes it: 250 x 250."""
    return {f"CASIA-WebFace/{path}": content for path, _, content in images(250)}


def with_magic(content: bytes) -> bytes:
    """The JPEG with a comment that holds the magic number where a record of it is parted.

    24 bytes of head, 2 of SOI, 4 of the comment's own and 2 letters before it make 32: a multiple of 4.
    """
    comment = b"ab" + MAGIC + b"cdef"
    return content[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + content[2:]


def part(flag: int, data: bytes) -> bytes:
    """Magic, flag and length, data, padding."""
    return MAGIC + struct.pack("<I", flag << 29 | len(data)) + data + bytes(-len(data) % 4)


def record(data: bytes) -> bytes:
    """Parted wherever the magic number lies at a multiple of four, as the format demands."""
    pieces, start = [], 0
    for at in range(0, len(data) - 3, 4):
        if data[at : at + 4] == MAGIC:
            pieces.append(data[start:at])
            start = at + 4
    pieces.append(data[start:])
    if len(pieces) == 1:
        return part(0, data)
    flags = [1, *[2] * (len(pieces) - 2), 3]
    return b"".join(part(flag, piece) for flag, piece in zip(flags, pieces, strict=True))


def scalar(label: float, key: int, content: bytes = b"") -> bytes:
    """A head with its one label in it."""
    return struct.pack("<IfQQ", 0, label, key, 0) + content


def array(labels: list[float], key: int, content: bytes = b"") -> bytes:
    """A head with an array of labels behind it."""
    head = struct.pack("<IfQQ", len(labels), 0.0, key, 0)
    return head + struct.pack(f"<{len(labels)}f", *labels) + content


def payloads() -> dict[int, bytes]:
    """Record number to its data: 0 the head, 1..6 images, 7..9 people."""
    found = {0: array([7.0, 10.0], 0)}
    for key, (_, label, content) in enumerate(images(112), 1):
        if key == ARRAY_LABEL:
            found[key] = array([float(label), 1.0], key, content)
        else:
            found[key] = scalar(label, key, with_magic(content) if key == PARTED else content)
    found[7], found[8] = array([1.0, 3.0], 7), array([3.0, 6.0], 8)
    found[9] = array([6.0, 7.0], 9)
    return found


def packed(contents: dict[int, bytes]) -> dict[str, bytes]:
    """train.rec and train.idx; in the owner's file, too, record 0 is written last."""
    body, index = b"", []
    for key in [*sorted(contents.keys() - {0}), *([0] if 0 in contents else [])]:
        index.append(f"{key}\t{len(body)}\n")
        body += record(contents[key])
    return {"train.rec": body, "train.idx": "".join(index).encode()}


def records() -> dict[str, bytes]:
    """As InsightFace distributes it: 112 x 112."""
    listed = "".join(
        f"1\t/raid/CASIA-WebFace_aligned/{path}\t{label}\t60\t60\t190\t190"
        + "\t100.5\t150.5\t125\t105\t145\t110.5\t110\t140\t170\t170\n"
        for path, label, _ in images(112)
    )
    found = packed(payloads()) | {"train.lst": listed.encode(), "property": b"3,112,112\n"}
    return {f"faces_webface_112x112/{name}": content for name, content in found.items()}
