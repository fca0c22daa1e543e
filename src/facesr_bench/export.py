"""``facesr-bench export RUN_DIR``: a finished run's inference weights as one small safetensors file."""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from facesr_bench.cli import exit_code_of
from facesr_bench.errors import DataError


def main(argv: Sequence[str] | None = None) -> int:
    """Write the file and print the ``shipped`` entry a method's YAML needs to offer it."""
    parser = argparse.ArgumentParser(
        prog="facesr-bench export",
        description="Write the weights a finished run super-resolves with, in half precision, as "
        "safetensors. Optimizer states and networks used in training only are left out.",
    )
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="a run's output folder")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    arguments = parser.parse_args(argv)
    digest, trained_on = export(arguments.run, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB")
    print(f"file: {arguments.out.name}\nsha256: {digest}\ntrained_on: {trained_on}")
    return 0


def export(run: Path, out: Path) -> tuple[str, list[dict[str, Any]]]:
    """Write the inference weights of a run.

    Args:
        run: output folder with ``config.yaml`` and ``checkpoints/last.ckpt``.
        out: the file to write.

    Returns:
        sha256 of the file, and what the weights were trained on.

    Raises:
        DataError: the folder is not a run's.
        WeightsError: the checkpoint is missing or damaged.
    """
    import torch
    from omegaconf import OmegaConf
    from safetensors.torch import save

    from facesr_bench.checkpoints import load_weights, read_checkpoint
    from facesr_bench.config import build_method
    from facesr_bench.images import write_atomically

    if not (run / "config.yaml").is_file():
        raise DataError(f"{run} is not the output folder of a run: it has no config.yaml.")
    settings = cast("dict[str, Any]", OmegaConf.to_container(OmegaConf.load(run / "config.yaml")))
    method = build_method(settings["method"])
    path = run / "checkpoints" / "last.ckpt"
    content = read_checkpoint(path)
    load_weights(method, content, str(path))
    used = {id(module) for network in method.inference_modules() for module in network.modules()}
    state = {}
    for prefix, module in method.named_modules():
        if id(module) not in used:
            continue
        for name, value in module.state_dict(prefix=f"{prefix}." if prefix else "").items():
            half = value.dtype.is_floating_point
            state[name] = (value.to(torch.float16) if half else value).contiguous()
    encoded = save(state)
    write_atomically(out, encoded)
    return hashlib.sha256(encoded).hexdigest(), list(content.get("trained_on", []))


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
