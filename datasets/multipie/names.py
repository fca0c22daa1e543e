"""What a file name of Multi-PIE says, and what its folders must agree on.

``session02/multiview/108/01/05_1/108_02_01_051_17.png`` is person 108, session 2, recording 1, camera
05_1, flash 17. Common crops carry the same name and end in ``_crop_128.png``.
"""

import re
from dataclasses import dataclass

from facesr_bench.errors import DataError
from facesr_bench.prepare.sources import Entry

CAMERAS = (
    "11_0", "12_0", "09_0", "08_0", "13_0", "14_0", "05_1",
    "05_0", "04_1", "19_0", "20_0", "01_0", "24_0",
)  # fmt: skip
"""At the height of the head, from profile to profile, fifteen degrees apart; 05_1 is frontal."""
ABOVE = ("08_1", "19_1")
"""Looking down from above, the first of them with its images stored upside down."""
FLASHES = tuple(f"{number:02d}" for number in range(20))
"""00 and 19 are taken without a flash, 01 to 18 with one each; 07 is beside the frontal camera."""

_NAME = re.compile(
    r"(?P<person>\d{3})_(?P<session>\d\d)_(?P<recording>\d\d)_(?P<camera>\d{3})_(?P<flash>\d\d)"
    r"(?P<crop>_crop_128)?\.png",
    re.IGNORECASE,
)
_FOLDERS = re.compile(
    r"session(\d\d)/multiview/(\d{3})/(\d\d)/(\d\d_\d)/[^/]+$", re.IGNORECASE
)  # in the owner's layout; copies may be flat


@dataclass(frozen=True)
class Shot:
    """One image by its name; two files of one shot are the same image.

    Attributes:
        person: "108".
        session: "02".
        recording: "01"; the first of every session is neutral.
        camera: "05_1", as the folders spell it.
        flash: "17".
        crop: whether it is a common 128x128 crop instead of the whole frame.
    """

    person: str
    session: str
    recording: str
    camera: str
    flash: str
    crop: bool

    @property
    def name(self) -> str:
        """As the file is called, without the extension."""
        camera = self.camera.replace("_", "")
        end = "_crop_128" if self.crop else ""
        return f"{self.person}_{self.session}_{self.recording}_{camera}_{self.flash}{end}"

    @property
    def yaw(self) -> float:
        """Nominal degrees from the frontal camera, negative on the side of camera 11_0."""
        return 15.0 * (CAMERAS.index(self.camera) - CAMERAS.index("05_1"))


def read_name(entry: Entry) -> Shot | None:
    """What a file is, by its name; None when it is not an image of a camera.

    Raises:
        DataError: its folders, in the owner's layout, say something else.
    """
    match = _NAME.fullmatch(entry.base)
    if match is None:
        return None
    camera = f"{match['camera'][:2]}_{match['camera'][2]}"
    shot = Shot(
        match["person"], match["session"], match["recording"], camera, match["flash"],
        crop=match["crop"] is not None,
    )  # fmt: skip
    folders = _FOLDERS.search(entry.name)
    if folders is not None:
        said = (shot.session, shot.person, shot.recording, shot.camera)
        if folders.groups() != said:
            raise DataError(
                f"{entry.where} lies in the folders of session {folders[1]}, person {folders[2]}, "
                f"recording {folders[3]}, camera {folders[4]}, but its name says {', '.join(said)}: it "
                "was moved or renamed. Put it back, or get it again."
            )
    return shot
