"""Write the archive that holds a protocol's test split.

``python -m facesr_bench.datasets.synthface.ship --out tiny_test.zip``

Rendering and JPEG are the same to the bit only on machines with the same arithmetic and libraries, so
the test split of ``tiny`` is rendered once, on one machine, and shipped.
"""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from pathlib import Path

from hydra import compose, initialize_config_module

from facesr_bench.config import build_data, plain, register_resolvers
from facesr_bench.images import encode_png, write_atomically

EPOCH = (1980, 1, 1, 0, 0, 0)  # archives written twice are the same file


def main() -> None:
    """Render the test split of a data YAML, degrade it by its protocol, write the archive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="tiny", help="name of the data YAML (default: tiny)")
    parser.add_argument("--out", type=Path, required=True, help="the zip file to write")
    arguments = parser.parse_args()
    register_resolvers()
    with initialize_config_module("facesr_bench.conf", version_base="1.3"):
        overrides = [f"+data={arguments.data}", "data.source.shipped_test=null"]
        settings = plain(compose("config", overrides).data)
    test_set = build_data(settings).test_set
    facts = {}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:

        def add(name: str, content: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)

        for position, key in enumerate(test_set.keys):
            sample = test_set.sample(position)
            if sample.landmarks is None:
                raise SystemExit(f"{key} has no landmarks")
            add(f"hr/{key}", encode_png(test_set.hr(position), compress_level=9))
            add(f"lr/{key}", encode_png(test_set.lr[position], compress_level=9))
            facts[key] = {
                "landmarks": [[round(float(v), 4) for v in point] for point in sample.landmarks],
                "attributes": {k: round(v, 5) for k, v in sample.attributes.items()},
            }
        add("faces.json", json.dumps(facts, sort_keys=True).encode())
    write_atomically(arguments.out, buffer.getvalue())
    print(f"{arguments.out}: {len(facts)} faces, {len(buffer.getvalue()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
