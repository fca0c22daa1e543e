"""How ``weights/synthface_identity.safetensors`` was made: who is who among the embedded faces.

    python -m facesr_bench.methods.propulse.train_identity OUT.safetensors

What stays from photo to photo of a drawn person is the identity (proportions, skin, hair, beard);
pose, expression, light, background, clothes, glasses, hats and the camera change. Photos of one person
are drawn together, those of others apart (a supervised contrastive loss), partly shifted, scaled or
blurred. What it can tell apart is measured on people of the ``val`` range, none of them in ``tiny``'s
train or test split, and printed as JSON.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import get_class
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from facesr_bench.faces.alignment import aligned
from facesr_bench.faces.recognition import RECOGNISERS
from facesr_bench.images import write_atomically
from facesr_bench.nets.identity import IdentityNetwork
from facesr_bench.nets.identity_cnn import IdentityCNN

KNOWN = RECOGNISERS["synthface"]
PEOPLE, PHOTOS, HELD_OUT = 2048, 4, 300
EPOCHS, GROUP, RATE, TEMPERATURE = 20, 64, 2e-3, 0.1
SHIFT, SCALE, BLURRED = 0.04, 0.08, {16: 0.15, 32: 0.25}
"""Shares of the image's side; shares of the images that are reduced to so many pixels and back."""


def faces(role: str, people: int) -> tuple[Tensor, list[Any], list[dict[str, float]]]:
    """Images (people, PHOTOS, 3, 64, 64) in [0, 1], and of all photos landmarks and attributes."""
    kind = get_class("facesr_bench.datasets.synthface.SynthFace")
    split = kind(size=64, identities={role: people}, photos={role: PHOTOS}).split(role)
    samples = [split[i] for i in range(len(split))]
    images = torch.from_numpy(np.stack([s.hr for s in samples])).permute(0, 3, 1, 2) / 255
    return (
        images.unflatten(0, (people, PHOTOS)),
        [s.landmarks for s in samples],
        [s.attributes for s in samples],
    )


def disturbed(images: Tensor) -> Tensor:
    """Shifted, scaled and partly blurred, each image otherwise."""
    count = len(images)
    zoom = 1 + SCALE * (2 * torch.rand(count) - 1)
    shift = SHIFT * 2 * (2 * torch.rand(count, 2) - 1)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = zoom
    theta[:, :, 2] = shift
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    images = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    draw, bound = torch.rand(count), 0.0
    for side, share in BLURRED.items():
        chosen = (draw >= bound) & (draw < bound + share)
        images[chosen] = blurred(images[chosen], side)
        bound += share
    return images


def blurred(images: Tensor, side: int) -> Tensor:
    """As bicubic super-resolution leaves them: reduced to ``side`` pixels and enlarged."""
    if not len(images):
        return images
    small = functional.interpolate(images, side, mode="bicubic", antialias=True)
    return functional.interpolate(small, images.shape[2:], mode="bicubic").clamp(0, 1)


def contrastive(vectors: Tensor, people: int) -> Tensor:
    """Supervised contrastive loss (Khosla et al., 2020) of ``people`` groups of photos."""
    logits = vectors @ vectors.t() / TEMPERATURE
    logits.fill_diagonal_(-torch.inf)
    who = torch.arange(people).repeat_interleave(len(vectors) // people)
    same = (who[:, None] == who[None]).fill_diagonal_(False)
    return -functional.log_softmax(logits, dim=1)[same].mean()


def trained(images: Tensor) -> IdentityNetwork:
    """Train on (people, PHOTOS, 3, 64, 64)."""
    network = IdentityCNN().to(memory_format=torch.channels_last)
    view = IdentityNetwork(KNOWN, network, {})
    network.requires_grad_(True)
    steps = EPOCHS * (len(images) // GROUP)
    adam = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, steps)
    for epoch in range(EPOCHS):
        network.train()
        losses = []
        for chosen in torch.randperm(len(images)).split(GROUP)[: len(images) // GROUP]:
            batch = disturbed(images[chosen].flatten(0, 1))
            loss = contrastive(view(batch.contiguous(memory_format=torch.channels_last)), GROUP)
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch}: {np.mean(losses):.4f}", flush=True)
    return IdentityNetwork(KNOWN, network.half().float(), {})  # what is written is what is measured


@torch.no_grad()
def vectors_of(view: IdentityNetwork, images: Tensor) -> Tensor:
    """(N, 3, 64, 64) to (N, length), in batches."""
    return torch.cat([view(batch) for batch in images.split(250)])


def told_apart(one: Tensor, other: Tensor, use: Tensor | None = None) -> dict[str, float]:
    """Verification of all pairs of photos: ``one``'s against ``other``'s, people by PHOTOS each.

    Args:
        one: (people * PHOTOS, length).
        other: the same photos, perhaps disturbed.
        use: (N, N), which pairs of different people count; None for all.
    """
    cosines = one @ other.t()
    who = torch.arange(len(one)) // PHOTOS
    upper = torch.ones_like(cosines, dtype=torch.bool).triu(1)
    equal = who[:, None] == who[None]
    different = ~equal if use is None else ~equal & use
    same, impostors = cosines[upper & equal].sort()[0], cosines[upper & different].sort()[0]
    below = torch.searchsorted(impostors, same).float() / len(impostors)
    thresholds = torch.linspace(-1, 1, 2001)
    missed = torch.searchsorted(same, thresholds).float() / len(same)
    passed = 1 - torch.searchsorted(impostors, thresholds).float() / len(impostors)
    found = {
        "auc": float(below.mean()),
        "eer": float(torch.maximum(missed, passed).min()),
        "same": float(same.mean()),
        "different": float(impostors.mean()),
    }
    for rate in (1e-2, 1e-3):
        threshold = impostors[int(len(impostors) * (1 - rate))]
        found[f"tar_far{rate:.0e}".replace("e-0", "e-")] = float((same > threshold).float().mean())
    return {name: round(value, 4) for name, value in found.items()}


def accuracy(vectors: Tensor, folds: int = 10) -> float:
    """As on the LFW pairs: as many pairs of one person as of two, the threshold of other people."""
    people = len(vectors) // PHOTOS
    grouped = vectors.unflatten(0, (people, PHOTOS))
    same = torch.stack([(grouped[:, i] * grouped[:, i + 1]).sum(1) for i in (0, 2)], 1)
    other = grouped.roll(1, 0)
    different = torch.stack([(grouped[:, i] * other[:, i + 1]).sum(1) for i in (0, 2)], 1)
    fold = torch.arange(people) * folds // people
    right = []
    for held in range(folds):
        a, b = same[fold != held].flatten(), different[fold != held].flatten()
        candidates = torch.linspace(-1, 1, 401)
        shares = [float((a > t).float().mean() + (b <= t).float().mean()) for t in candidates]
        threshold = candidates[int(np.argmax(shares))]
        a, b = same[fold == held].flatten(), different[fold == held].flatten()
        right.append(float((a > threshold).float().mean() + (b <= threshold).float().mean()) / 2)
    return round(float(np.mean(right)), 4)


def measured(view: IdentityNetwork) -> dict[str, Any]:
    """What the network can tell apart among people it has never seen, and where it gets worse."""
    images, landmarks, stored = faces("val", HELD_OUT)
    flat = images.flatten(0, 1)
    clean = vectors_of(view, flat)
    crops, _ = aligned((flat * 255).round().to(torch.uint8), landmarks, KNOWN.size)
    with torch.no_grad():
        warped = torch.cat([view.network(KNOWN.prepare(c)) for c in crops.split(250)])

    def column(name: str) -> Tensor:
        return torch.tensor([a[name] for a in stored])

    male, tone = column("male") >= 0.5, column("skin_tone")
    alike = (male[:, None] == male[None]) & ((tone[:, None] - tone[None]).abs() <= 1)
    return {
        "people": HELD_OUT,
        "photos": PHOTOS,
        "accuracy": accuracy(clean),
        "all": told_apart(clean, clean),
        "same sex and skin tone": told_apart(clean, clean, alike),
        "aligned by landmarks": told_apart(warped, warped),
        "against photos of 32 pixels": told_apart(clean, vectors_of(view, blurred(flat, 32))),
        "against photos of 16 pixels": told_apart(clean, vectors_of(view, blurred(flat, 16))),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, write, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the .safetensors to write")
    out: Path = parser.parse_args(arguments).out
    torch.manual_seed(0)
    view = trained(faces("train", PEOPLE)[0])
    state = {n: v.half().contiguous() for n, v in view.network.state_dict().items()
             if not n.endswith("num_batches_tracked")}  # fmt: skip
    write_atomically(out, save(state))
    print(json.dumps(measured(view), indent=1), out.stat().st_size, flush=True)


if __name__ == "__main__":
    main()
