"""Draws docs/degradations.png: the same four faces as each degradation in conf/degradation leaves them.

python docs/degradations.py
"""

from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.utils import get_method, instantiate
from omegaconf import OmegaConf
from PIL import Image, ImageDraw

from facesr_bench.data import Sample
from facesr_bench.stream import fixed_lr

ROOT = Path(__file__).resolve().parents[1]
SIDE, LABEL, FACES, FACTOR = 128, 130, 4, 4


def main() -> None:
    """Write the picture beside this file."""
    read = get_method("facesr_bench.datasets.synthface.split.read_archive")
    split = read(ROOT / "datasets" / "synthface" / "tiny_test.zip", "studio")
    samples = [Sample(key, hr=split[i].hr) for i, key in enumerate(split.keys[3 : 3 + FACES], 3)]
    names = sorted(path.stem for path in (ROOT / "conf" / "degradation").glob("*.yaml"))
    rows = [("HR", [sample.hr for sample in samples])]
    for name in names:
        config = OmegaConf.create({"data": {"factor": FACTOR}})
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            config.data.degradation = compose(f"degradation/{name}").degradation
        made = instantiate(config.data.degradation)
        given = [_pooled(sample) for sample in samples] if "of_whole" in name else samples
        rows.append((name, [fixed_lr(sample, made, 2020, "lr") for sample in given]))
    picture = Image.new("RGB", (LABEL + FACES * SIDE, len(rows) * SIDE), "white")
    draw = ImageDraw.Draw(picture)
    for row, (name, images) in enumerate(rows):
        draw.text((6, row * SIDE + SIDE // 2 - 6), name, fill="black")
        for column, image in enumerate(images):
            shown = Image.fromarray(np.asarray(image)).resize(
                (SIDE, SIDE), Image.Resampling.NEAREST
            )
            picture.paste(shown, (LABEL + column * SIDE, row * SIDE))
    picture.save(ROOT / "docs" / "degradations.png")


def _pooled(sample: Sample) -> Sample:
    """HR in 2x2 means, and the whole image beside it."""
    hr = np.asarray(Image.fromarray(np.asarray(sample.hr)).reduce(2))
    return Sample(sample.key, hr=hr, border=sample.hr)


if __name__ == "__main__":
    main()
