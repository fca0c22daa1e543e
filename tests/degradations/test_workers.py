"""Random degradations: the same pixels for any number of workers and ranks, others in every epoch."""

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


class Noise(FaceDataset):
    def __init__(self):
        self.keys = [f"{i}.png" for i in range(EPOCH)]

    def __getitem__(self, index):
        pixels = np.random.default_rng(index).integers(0, 256, (32, 32, 3), np.uint8)
        return Sample(self.keys[index], hr=pixels)


def degradation(name):
    config = OmegaConf.create({"data": {"factor": 4}})
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config.data.degradation = compose(f"degradation/{name}").degradation
    return instantiate(config.data.degradation)


def train_lr(name, workers, ranks=1):
    """LR of two epochs in stream order, as ``ranks`` ranks would see it together."""
    stream = TrainingStream(Noise(), None, degradation(name), "paired", 1, 2020, 32, 8)
    budget = Budget([Phase("all", 2 * EPOCH, 4)])
    shares = []
    for rank in range(ranks):
        sampler = StreamSampler(budget, 0, rank, ranks)
        loader = DataLoader(stream, batch_sampler=sampler, num_workers=workers)
        shares.append([batch["lr"] for batch in loader])
    return torch.cat([torch.cat(parts) for parts in zip(*shares, strict=True)])


@pytest.mark.parametrize("name", ["pan_online", "scgan_complex", "dap_unaligned"])
def test_training_lr(name):
    alone = train_lr(name, workers=0)
    assert torch.equal(train_lr(name, workers=2), alone)
    assert torch.equal(train_lr(name, workers=0, ranks=2), alone)
    # Epochs show the same images in another order; with the same draws they would be equal sets.
    first, second = ({tuple(lr.flatten().tolist()) for lr in alone[s]} for s in EPOCHS)
    assert len(first) == len(second) == EPOCH and not first & second


EPOCHS = (slice(0, EPOCH), slice(EPOCH, 2 * EPOCH))


@pytest.mark.parametrize("name", ["pan_online", "scgan_complex", "dap_unaligned"])
def test_test_lr_depends_on_seed_and_key_only(name):
    def freeze(seed=2020):
        return freeze_test_set(Noise(), degradation(name), "toy", 1, seed, 32, 4)

    np.random.seed(3)
    assert freeze().lr_hash == freeze().lr_hash != freeze(2021).lr_hash
    assert freeze().hash != freeze(2021).hash
