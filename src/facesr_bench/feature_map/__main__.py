"""``facesr-bench tsne LFW_DIR RUN_DIR ...``: SCGAN's Fig. 3."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from facesr_bench.cli import exit_code_of
from facesr_bench.errors import ConfigError, UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Degrade and restore LFW's faces by each run's own networks, and map them all together."""
    parser = argparse.ArgumentParser(
        prog="facesr-bench tsne",
        description="Degrade and restore faces of LFW by the cycles of finished runs (scgan, "
        "cyclegan) and map them beside the HR faces: SCGAN's Fig. 3. Needs the extra tsne.",
    )
    parser.add_argument("lfw", type=Path, metavar="LFW_DIR", help="what lfw.tgz unpacks to")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN_DIR", help="finished runs")
    parser.add_argument("--out", type=Path, required=True, help="folder for map.csv and map.png")
    parser.add_argument("--people", type=int, default=10, help="those with most photos")
    parser.add_argument("--photos", type=int, default=20, help="at most so many of each")
    parser.add_argument("--seed", type=int, default=2020, help="of noise and of t-SNE")
    arguments = parser.parse_args(argv)
    if arguments.people < 1 or arguments.photos < 1:
        raise UsageError("--people and --photos are at least 1.")
    print(make_map(**vars(arguments)))
    return 0


def make_map(
    lfw: Path, runs: Sequence[Path], out: Path, people: int, photos: int, seed: int
) -> str:
    """Write ``map.csv`` (set, person, photo, x, y) and ``map.png``.

    Returns:
        For each run the mean distance between the features of a restored face and those of the
        face it came from: the figure itself has no number, this one is ours.

    Raises:
        FaceSRError: photos, a run, the weights of ResNet-101 or scikit-learn are not there.
    """
    import csv
    import io

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from facesr_bench.cycles import trained_cycles
    from facesr_bench.feature_map.drawing import draw
    from facesr_bench.feature_map.features import ResNet101, features_of, map_of
    from facesr_bench.feature_map.lfw import face_of, people_of
    from facesr_bench.images import to_float, write_atomically
    from facesr_bench.seeding import torch_rng
    from facesr_bench.weights.requirements import require

    network, _ = require(ResNet101, lambda: map_of(np.eye(4, dtype=np.float32), 0))
    chosen = people_of(lfw, people, photos)
    names: list[str] = ["HR"]
    features: list[NDArray[np.float32]] = []
    for run in runs:
        trained = trained_cycles(run)
        sizes = trained.settings["data"]
        side, factor = int(sizes["hr_size"]), int(sizes["factor"])
        faces = to_float(torch.from_numpy(np.stack([face_of(photo, side) for photo in chosen])))
        if not features:
            features.append(features_of(network, faces))
        rngs = [torch_rng(seed, "cycles", number) for number in range(len(chosen))]
        restored = []
        with torch.no_grad():
            for first in range(0, len(faces), 32):
                rows = slice(first, first + 32)
                small = torch.nn.functional.avg_pool2d(faces[rows], factor)
                made = trained.cycles(faces[rows], small, rngs[rows])
                if "hr_degraded_restored" not in made:
                    raise ConfigError(
                        f"{run} has no forward cycle (D_HL), so it restores no degraded HR faces; "
                        "give a run with one."
                    )
                restored.append(made["hr_degraded_restored"])
        names.append(run.name)
        features.append(features_of(network, torch.cat(restored)))
    points = map_of(np.concatenate(features), seed)
    rows_of = [(name, photo) for name in names for photo in chosen]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["set", "person", "photo", "x", "y"])
    for (name, photo), (x, y) in zip(rows_of, points, strict=True):
        writer.writerow([name, photo.person, photo.path.name, f"{x:.4f}", f"{y:.4f}"])
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "map.csv", text.getvalue().encode())
    draw(out / "map.png", points, [n for n, _ in rows_of], [p.person for _, p in rows_of])
    told = [
        f"{name}: {np.linalg.norm(found - features[0], axis=1).mean():.3f} from the HR's features"
        for name, found in zip(names[1:], features[1:], strict=True)
    ]
    return "\n".join([*told, f"Map: {out / 'map.png'}"])


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
