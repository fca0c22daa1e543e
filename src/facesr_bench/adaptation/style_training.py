"""Training the restyling network on source faces, once for a protocol; it is kept with the run."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch.optim import Adam

from facesr_bench.adaptation.settings import StyleNet
from facesr_bench.adaptation.source_faces import SourceFaces
from facesr_bench.adaptation.stylist import Stylist
from facesr_bench.checkpoints import load_weights, read_checkpoint
from facesr_bench.images import write_atomically
from facesr_bench.protocol import canonical_hash
from facesr_bench.seeding import derive_seed, torch_rng


def trained_stylist(
    path: Path,
    settings: StyleNet,
    source: SourceFaces,
    source_name: str,
    device: torch.device,
    seed: int,
    *,
    coded: bool,
    bar: Callable[[str, int, str], Any],
) -> Stylist:
    """The network from ``path`` if it is the one these settings make, else trained and written there.

    Args:
        path: of the file.
        settings: sizes, losses, length.
        source: faces to train on.
        source_name: of them, with their seed; enters the file's identity.
        device: where it is trained.
        seed: of its initial weights and of its noise.
        coded: with a code for styles (ASM).
        bar: a progress bar of a name, a length and a unit.
    """
    identity = canonical_hash(
        {"settings": asdict(settings), "coded": coded, "seed": seed, "source": source_name}
    )
    # Seeded apart: how a network of another part was drawn must not change this one.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "stylist", coded) >> 1)
        stylist = Stylist(settings, coded=coded)
    stylist.to(device)
    if path.is_file():
        content = read_checkpoint(path)
        if content.get("identity") == identity:
            load_weights(stylist, content, str(path))
            return stylist.requires_grad_(False).eval()
    _train(stylist, settings, source, seed, bar("style network", settings.steps, "step"))
    buffer = io.BytesIO()
    torch.save({"state_dict": stylist.state_dict(), "identity": identity}, buffer)
    write_atomically(path, buffer.getvalue())
    return stylist.requires_grad_(False).eval()


def _train(
    stylist: Stylist, settings: StyleNet, source: SourceFaces, seed: int, shown: Any
) -> None:
    number = settings.batch
    code = stylist.code.mean.out_features if stylist.code is not None else 1
    adam = Adam(stylist.parameters(), lr=settings.lr)
    with torch.enable_grad(), shown:
        for step in range(settings.steps):
            faces = source.hr(2 * number * step, 2 * number)
            noise = torch.randn(number, code, generator=torch_rng(seed, "stylist", step))
            loss = stylist.loss(faces[:number], faces[number:], noise.to(faces.device))
            adam.zero_grad()
            loss.backward()
            adam.step()
            shown.update(1)


def fingerprint_of(stylist: Stylist) -> str:
    """A hash of its weights, for the record."""
    digest = hashlib.sha256()
    for name, value in sorted(stylist.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
