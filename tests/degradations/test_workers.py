"""Random degradations: the same pixels for any number of workers and ranks, others in every epoch."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch.utils.data import DataLoader

from command_line import ROOT
from facesr_bench.budget import Budget, Phase
from facesr_bench.data import FaceDataset, Sample
from facesr_bench.protocol import freeze_test_set
from facesr_bench.stream import StreamSampler, TrainingStream

EPOCH = 8


class Same(FaceDataset):
    """The same picture under every key: LR differ only where the draws do."""

    def __init__(self, keys=None):
        self.keys = keys or [f"{i}.png" for i in range(EPOCH)]

    def __getitem__(self, index):
        pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
        return Sample(self.keys[index], hr=pixels)


def degradation(name):
    config = OmegaConf.create({"data": {"factor": 4}})
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config.data.degradation = compose(f"degradation/{name}").degradation
    return instantiate(config.data.degradation)


def train_lr(name, workers, ranks=1):
    """LR of two epochs in stream order, as ``ranks`` ranks would see it together."""
    stream = TrainingStream(Same(), None, degradation(name), "paired", 1, 2020, 32, 8)
    budget = Budget([Phase("all", 2 * EPOCH, 4)])
    shares = []
    for rank in range(ranks):
        sampler = StreamSampler(budget, 0, rank, ranks)
        loader = DataLoader(stream, batch_sampler=sampler, num_workers=workers)
        shares.append([batch["lr"] for batch in loader])
    # ranks take every ranks-th image of a batch (TrainingContext.share)
    return torch.cat([torch.stack(parts, 1).flatten(0, 1) for parts in zip(*shares, strict=True)])


NAMES = ["pan_online", "scgan_complex", "dap_unaligned"]


@pytest.mark.parametrize("name", NAMES)
def test_training_lr_is_the_same_for_any_workers_and_ranks_and_new_for_every_image(name):
    alone = train_lr(name, workers=0)
    for workers, ranks in ((1, 1), (4, 1), (0, 2), (2, 2)):
        assert torch.equal(train_lr(name, workers, ranks), alone), (workers, ranks)
    # One picture shown 16 times in two epochs, four batches and by several workers: 16 LR. PAN's
    # steps are all left out once in 16 images, so two of its LR may be equal.
    different = {tuple(lr.flatten().tolist()) for lr in alone}
    assert len(different) >= (14 if name == "pan_online" else 16)


@pytest.mark.parametrize("name", NAMES)
def test_test_lr_depends_on_seed_and_key_only(name, monkeypatch):
    def freeze(seed=2020, keys=None):
        frozen = freeze_test_set(Same(keys), degradation(name), "toy", 1, seed, 32, 4)
        return dict(zip(frozen.keys, (lr.tobytes() for lr in frozen.lr), strict=True)), frozen

    lr, frozen = freeze()
    assert len(set(lr.values())) >= EPOCH - 1
    np.random.seed(3)
    turned = Same().keys[::-1]
    assert freeze(keys=turned)[0] == lr and freeze(keys=turned)[1].hash == frozen.hash
    some = freeze(keys=turned[2:5])[0]  # a key's LR does not depend on its neighbours
    assert some == {key: lr[key] for key in some}
    for threads in (1, 8):
        monkeypatch.setattr(
            "facesr_bench.protocol.ThreadPoolExecutor", lambda n=threads: ThreadPoolExecutor(n)
        )
        assert freeze()[1].lr_hash == frozen.lr_hash
    assert freeze(seed=2021)[1].lr_hash != frozen.lr_hash
