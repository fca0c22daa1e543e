"""How ``synthface_attributes.safetensors`` was made: a small classifier of the embedded faces.

    python tests/metrics/train_synthface_attributes.py tests/metrics/synthface_attributes.safetensors

Trained on synthface's exact attributes, measured on the shipped test faces, whose people are others.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import get_class
from safetensors.torch import save
from torch.nn.functional import binary_cross_entropy_with_logits

from facesr_bench.images import write_atomically
from facesr_bench.nets.attribute_cnn import AttributeCNN
from facesr_bench.nets.attribute_resnet import METADATA

ATTRIBUTES = {
    "glasses": lambda a: a["glasses"] >= 0.5,
    "hat": lambda a: a["hat"] >= 0.5,
    "male": lambda a: a["male"] >= 0.5,
    "smile": lambda a: a["smile"] >= 0.4,
    "mouth_open": lambda a: a["mouth_open"] >= 0.3,
    "beard": lambda a: a["beard"] >= 2,
    "dark_skin": lambda a: a["skin_tone"] >= 5,
    "light_from_right": lambda a: a["light_side"] >= 0,
}
GROUPS = ("male", "glasses", "hat")
MEAN = STD = [0.5, 0.5, 0.5]
PEOPLE, EPOCHS, BATCH, RATE = 1500, 12, 64, 2e-3


def read(split: Any) -> tuple[torch.Tensor, torch.Tensor, list[dict[str, float]]]:
    """Images (N, 3, 64, 64) in [-1, 1], labels (N, A), and what is stored of each."""
    samples = [split[i] for i in range(len(split))]
    images = torch.from_numpy(np.stack([s.hr for s in samples])).permute(0, 3, 1, 2)
    labels = [[float(rule(s.attributes)) for rule in ATTRIBUTES.values()] for s in samples]
    return images / 127.5 - 1, torch.tensor(labels), [s.attributes for s in samples]


def main(out: Path) -> None:
    torch.manual_seed(0)
    kind = get_class("facesr_bench.datasets.synthface.SynthFace")
    source = kind(
        size=64, identities={"train": 4096, "test": 200}, photos={"train": 4, "test": 2},
        seed=2020, domain="studio", shipped_test="tiny_test.zip",
    )  # fmt: skip
    every = source.split("train")
    images, labels, _ = read([every[i] for i in range(4 * PEOPLE)])
    network = AttributeCNN(len(ATTRIBUTES))
    adam = torch.optim.Adam(network.parameters(), lr=RATE)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, steps)
    for epoch in range(EPOCHS):
        losses = []
        for chosen in torch.randperm(len(images)).split(BATCH)[: len(images) // BATCH]:
            loss = binary_cross_entropy_with_logits(network(images[chosen]), labels[chosen])
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch}: {np.mean(losses):.4f}", flush=True)
    network.half().float()  # what is written is what is measured
    images, labels, stored = read(source.split("test"))
    with torch.no_grad():
        wrong = ((network(images) > 0) != (labels > 0.5)).float()
    groups = {}
    for group in GROUPS:
        has = torch.tensor([s[group] >= 0.5 for s in stored])
        groups |= {group: wrong[has].mean().item(), f"not_{group}": wrong[~has].mean().item()}
    facts = {
        "architecture": "cnn4",
        "attributes": list(ATTRIBUTES),
        "crop": [0.0, 0.0, 1.0, 1.0],
        "size": [64, 64],
        "mean": MEAN,
        "std": STD,
        "error": {n: round(e, 4) for n, e in zip(ATTRIBUTES, wrong.mean(0).tolist(), strict=True)},
        "group_error": {n: round(e, 4) for n, e in groups.items()},
        "trained_on": f"synthface, {4 * PEOPLE} faces of {PEOPLE} people, HR only",
    }
    state = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    write_atomically(out, save(state, metadata={METADATA: json.dumps(facts)}))
    print(json.dumps(facts, indent=1), out.stat().st_size)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
