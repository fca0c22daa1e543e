"""Measure how fast procedural faces are rendered, per core, and print a table.

Each image is a new person in a new photo, so nothing is reused but the noise tiles. Times are CPU
time of this process, so that a busy machine does not spoil them; run with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import time

from report import note

from facesr_bench.datasets.synthface import DOMAINS, render_face


def images_per_second(size: int, images: int, seed: int, domain: str) -> float:
    """Rendered images per second of CPU time, after a warm-up of three images."""
    for photo in range(3):
        render_face(seed, 0, photo, size, domain)
    start = time.process_time()
    for identity in range(images):
        render_face(seed, identity + 1, 0, size, domain)
    return images / max(time.process_time() - start, 1e-9)


def main() -> None:
    """Print one line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 32, 64, 128, 256])
    parser.add_argument("--images", type=int, default=200, help="images per size at 64 px or less")
    parser.add_argument("--seed", type=int, default=2020)
    parser.add_argument("--domain", choices=DOMAINS, default=DOMAINS[0])
    options = parser.parse_args()
    print(f"{'size':>6} {'images':>7} {'images/s':>9} {'ms/image':>9}")
    for size in options.sizes:
        images = max(8, options.images * 64 // max(size, 64))
        rate = images_per_second(size, images, options.seed, options.domain)
        note(f"drawing faces of {size} px", "images/s", rate)
        print(f"{size:>6} {images:>7} {rate:>9.1f} {1000 / rate:>9.2f}")


if __name__ == "__main__":
    main()
