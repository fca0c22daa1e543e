from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesr_bench.headers import read_header
from facesr_bench.images import read_rgb

ORIENTATION = 0x0112


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_in_a_header_is_that_of_the_pixels_however_the_camera_was_held(
    orientation: int, kind: str, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / "photo"
    Image.fromarray(np.zeros((6, 10, 3), np.uint8)).save(path, kind, exif=exif)
    size = read_rgb(path).shape[:2]
    assert size == ((10, 6) if orientation >= 5 else (6, 10))
    assert read_header(path).size == size
