"""A small target domain of two lights, and a source domain, for tests."""

import numpy as np

from facesr_bench.data import FaceData, FaceDataset, Role, Sample
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.degradations.resizing import Downscale

HR, LR = 32, 16


class Blobs(FaceDataset):
    """Coarse noise, enlarged; the light makes it darker. Keys begin with the role."""

    def __init__(self, role: str, number: int, lights: tuple[str | None, ...]) -> None:
        self.keys = [f"{role}{i:02d}.png" for i in range(number)]
        self._lights = lights
        self.read: list[str] = []

    def __getitem__(self, index: int) -> Sample:
        key = self.keys[index]
        self.read.append(key)
        rng = np.random.default_rng(sum(key.encode()))
        coarse = rng.integers(60, 250, (4, 4, 3))
        light = self._lights[index % len(self._lights)]
        strength = 0.5 if light == "dim" else 1.0
        image = np.kron(coarse, np.ones((8, 8, 1))) * strength
        facts = {"strength": strength}
        return Sample(
            key, hr=image.astype(np.uint8), identity=key[:-4], domain=light, attributes=facts
        )


class TwoLights(FaceData):
    """Source faces to train on; the target's under "bright" and "dim".

    Args:
        with_exemplars: False leaves the exemplar split out.
    """

    name = "two_lights"

    def __init__(self, with_exemplars: bool = True) -> None:
        self.splits: dict[Role, Blobs] = {
            "train": Blobs("train", 12, (None,)),
            "test": Blobs("test", 8, ("bright", "dim")),
            "val": Blobs("val", 4, ("bright", "dim")),
        }
        if with_exemplars:
            self.splits["exemplar"] = Blobs("shown", 6, ("bright", "dim"))

    def split(self, role: Role) -> FaceDataset | None:
        return self.splits.get(role)


def data_of(source: FaceData) -> FaceSRDataModule:
    """A data module that reduces by two."""
    return FaceSRDataModule("two_lights", 1, source, Downscale(2), HR, factor=2)
