"""Multi-PIE: choose cameras and flashes, split by people, cut one box per camera."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.images import Size, UInt8Image
from facesr_bench.prepare.decoding import read_image
from facesr_bench.prepare.recipe import Plan, Raw, Recipe
from facesr_bench.prepare.sources import Entry, SourceSet

from .boxes import FRAME, MIDDLE, Box, border_of, box_of, cut
from .names import ABOVE, CAMERAS, FLASHES, Shot, read_name

CROPPED = (128, 128)
"""Height and width of a common crop."""
TEN_CAMERAS = ("05_1", "05_0", "14_0", "04_1", "13_0")
TEN_FLASHES = ("07", "14")


class MultiPIE(Recipe):
    """Multi-PIE: each camera with each flash is a domain, called "05_1-07".

    Every image of a camera is cut with the same box, of TDN's shape, and stretched to a square; nobody
    is aligned by landmarks. The border is the frame around the box and, beyond its edge, the frame
    reflected. Common crops (``..._crop_128.png``), which somebody else aligned, are taken as they are,
    with themselves reflected as border; the notes say so, and so do their keys.

    Args:
        cameras: as folders spell them; of the two from above neither can be taken.
        flashes: "00" to "19".
        recordings: of a session; the first is neutral, the others differ between sessions.
        sessions: "01" to "04"; None takes all.
        boxes: camera to [left, top, height] of its box in the 640x480 frame; the width follows from
            the height. A camera that is not named has the box in the middle of the frame.
        last_train: people up to this number are the split "train", the others "test".
    """

    name = "multipie"
    title = "CMU Multi-PIE: 337 people, 15 cameras, 20 flashes, up to four sessions"
    licence = "paid licence of Carnegie Mellon University; images may not be passed on"
    where = "Carnegie Mellon University, cmu.flintbox.com (2009-056), on a disk"
    expected = (
        "session01/ to session04/ (session01/multiview/001/01/05_1/001_01_01_051_07.png ...)",
        "or common crops (001_01_01_051_07_crop_128.png ...)",
    )
    disk = "305 GB"
    version = 2  # 2: with borders
    stretch = True

    def __init__(
        self,
        cameras: Sequence[str] = TEN_CAMERAS,
        flashes: Sequence[str] = TEN_FLASHES,
        recordings: Sequence[str] = ("01",),
        sessions: Sequence[str] | None = None,
        boxes: Mapping[str, Sequence[int]] | None = None,
        last_train: int = 200,
    ) -> None:
        self.cameras = _words("cameras", cameras, CAMERAS)
        self.flashes = _words("flashes", flashes, FLASHES)
        self.recordings = _words("recordings", recordings, ("01", "02", "03"))
        every = ("01", "02", "03", "04")
        self.sessions = _words("sessions", every if sessions is None else sessions, every)
        boxes = boxes or {}
        _words("boxes", list(boxes), CAMERAS)
        self.boxes = {camera: box_of(camera, boxes.get(camera, MIDDLE)) for camera in self.cameras}
        self.unmeasured = [camera for camera in self.cameras if camera not in boxes]
        self.last_train = last_train

    def plan(self, sources: SourceSet) -> Plan:
        """Choose files by their names."""
        found: dict[Shot, Entry] = {}
        left_out: Counter[str] = Counter()
        for entry in sources:
            shot = read_name(entry)
            reason = _no_shot(entry) if shot is None else self._reason(shot)
            if shot is None or reason:
                left_out[reason] += 1
            elif shot in found:
                raise DataError(
                    f"{shot.name} was found twice: {found[shot].where} and {entry.where}. Give only "
                    "one of the two with --src."
                )
            else:
                found[shot] = entry
        if not found:
            raise DataError(
                f"There is no image of the cameras {', '.join(self.cameras)} with the flashes "
                f"{', '.join(self.flashes)} in {', '.join(map(str, sources.paths))}, where "
                f"{len(sources):,} files were found ({_list(left_out) or 'nothing'}). Expected: "
                "session01/multiview/001/01/05_1/001_01_01_051_07.png."
            )
        crops = [shot for shot in found if shot.crop]
        if 0 < len(crops) < len(found):
            whole = next(shot for shot in found if not shot.crop)
            raise DataError(
                f"There are both whole frames ({found[whole].where}) and crops "
                f"({found[crops[0]].where}), whose faces are cut differently. Give only one of the two "
                "with --src."
            )
        items = [self._raw(shot, entry) for shot, entry in found.items()]
        return Plan(sorted(items, key=lambda raw: raw.key), self._notes(found, left_out))

    def _reason(self, shot: Shot) -> str:
        """Why a shot is left out; empty when it is not."""
        if shot.camera in ABOVE:
            return f"of the cameras from above ({', '.join(ABOVE)}; 08_1 is stored upside down)"
        if shot.camera not in CAMERAS:
            return "of cameras nobody knows"
        if shot.recording not in self.recordings:
            return "of other recordings"
        if shot.session not in self.sessions:
            return "of other sessions"
        if shot.camera not in self.cameras:
            return "of other cameras"
        return "" if shot.flash in self.flashes else "with other flashes"

    def _raw(self, shot: Shot, entry: Entry) -> Raw:
        size, box = FRAME, self.boxes[shot.camera]
        if shot.crop:
            size, box = CROPPED, (0, 0, CROPPED[1], CROPPED[0])
        border = border_of(box[3])
        return Raw(
            key=f"{shot.person}/{shot.name}.png",
            split="train" if int(shot.person) <= self.last_train else "test",
            read=partial(_read, entry, size, box),
            source=entry.where,
            identity=shot.person,
            attributes={
                "session": float(shot.session),
                "recording": float(shot.recording),
                "flash": float(shot.flash),
                "yaw": shot.yaw,
            },
            domain=f"{shot.camera}-{shot.flash}",
            read_border=partial(_read, entry, size, box, border),
            border=(border,) * 4,
        )

    def _notes(self, found: Mapping[Shot, Entry], left_out: Counter[str]) -> list[str]:
        people = {shot.person for shot in found}
        train = sum(int(person) <= self.last_train for person in people)
        sessions = ", ".join(sorted({shot.session for shot in found}))
        notes = [
            f"{len(found):,} images of {train:,} people to train on and {len(people) - train:,} to "
            f"test on, sessions {sessions}."
        ]
        if next(iter(found)).crop:
            notes.append(
                "These are crop_128 files, which somebody else aligned and resized; results compare "
                "only with those on the same crops. Their border is the crop reflected, in the crop's "
                "proportions, which may not be the face's."
            )
        elif self.unmeasured:
            notes.append(
                f"The box of the cameras {', '.join(self.unmeasured)} is the middle of the frame, "
                "which nobody measured: look at the contact sheet, and move it if need be with --set "
                "'boxes.05_1=[LEFT,TOP,HEIGHT]'."
            )
        domains = {f"{shot.camera}-{shot.flash}" for shot in found}
        wanted = {f"{camera}-{flash}" for camera in self.cameras for flash in self.flashes}
        if wanted - domains:
            notes.append(f"No image at all of the domains {', '.join(sorted(wanted - domains))}.")
        if left_out:
            notes.append(f"Left out: {_list(left_out)}.")
        return notes


def _words(argument: str, given: Sequence[Any], known: Sequence[str]) -> tuple[str, ...]:
    """A list of names; what YAML turned into a number is refused, for 05_1 it reads as 41."""
    if isinstance(given, str) or not all(isinstance(word, str) for word in given):
        raise ConfigError(
            f"{argument}={given!r} must be a list of texts in quotes (YAML takes 05_1 and 07 for "
            f"numbers): --set '{argument}=[\"{known[0]}\"]'."
        )
    wrong = [word for word in given if word not in known]
    if wrong:
        why = " (from above, 08_1 upside down)" if wrong[0] in ABOVE else ""
        raise ConfigError(f"{argument} cannot have {wrong[0]!r}{why}; known: {', '.join(known)}.")
    return tuple(given)


def _no_shot(entry: Entry) -> str:
    highres = "highres" in entry.name.lower().split("/") and entry.base.lower().endswith(".jpg")
    return "high-resolution photos of another camera (highres)" if highres else "other files"


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {why}" for why, count in sorted(counts.items()))


def _read(entry: Entry, size: Size, box: Box, border: int = 0) -> UInt8Image:
    return cut(read_image(entry, size), box, border)
