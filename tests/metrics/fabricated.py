"""Weight files made up on the spot, registered as if they were the official ones.

The shipped entry of ``conf/weights`` stays in force (layout, file name); only the hash is that of the
fabricated file. So a fabricated file in a wrong layout is refused as a real one would be.
"""

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import torch
import yaml
from torch import nn

from facesr_bench.metrics.base import ScoreBatch
from facesr_bench.weights.cache import file_hash

SHIPPED = Path(__file__).parents[2] / "conf" / "weights"


class FabricatedWeights:
    """A weights folder and a configuration folder of one test."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.conf, self.folder = root / "conf" / "weights", root / "weights"
        self.conf.mkdir(parents=True)
        self.folder.mkdir()
        monkeypatch.setenv("FACESR_CONF", str(root / "conf"))
        monkeypatch.setenv("FACESR_WEIGHTS", str(self.folder))

    def put(self, name: str, write: Callable[[Path], object]) -> Path:
        """Write the first file of a shipped entry and register its hash."""
        entry = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())
        path = self.folder / entry["files"][0]["file"]
        write(path)
        entry["files"] = [{"file": path.name, "sha256": file_hash(path)}]
        (self.conf / f"{name}.yaml").write_text(yaml.safe_dump(entry))
        from facesr_bench.weights import registry

        registry._registry.cache_clear()
        return path


def inception(path: Path) -> None:
    """The FID Inception's layout, with random weights that keep the signal's size."""
    from torch_fidelity import feature_extractor_inceptionv3 as module

    kind = module.FeatureExtractorInceptionV3
    with (
        mock.patch.object(module, "load_state_dict_from_url", lambda *_, **__: {}),
        mock.patch.object(kind, "load_state_dict", lambda *_: None),
    ):
        network = kind("fabricated", ["2048"])
    generator = torch.Generator().manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, generator=generator)
    torch.save(network.state_dict(), path)


def random_batch(number: int, size: int, seed: int = 0) -> ScoreBatch:
    """HR noise images, and SR images that differ from them more and more."""
    rng = torch.Generator().manual_seed(seed)
    hr = torch.randint(0, 256, (number, 3, size, size), generator=rng, dtype=torch.uint8)
    shift = torch.arange(number).view(-1, 1, 1, 1) * 40
    sr = (hr.int() + shift).clamp(0, 255).to(torch.uint8)
    return ScoreBatch([f"{i}.png" for i in range(number)], sr, hr, None, [None] * number)
