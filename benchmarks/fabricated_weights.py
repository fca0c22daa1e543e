"""Weights drawn at random in the official layouts, for speed measurements without the real files."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml

from facesr_bench.errors import FaceSRError
from facesr_bench.weights.cache import file_hash, weights_dir
from facesr_bench.weights.loading import locate
from facesr_bench.weights.registry import CONF_VARIABLE, entry


def fabricate(folder: Path, names: Sequence[str]) -> None:
    """Use the real files where they are imported, else files of this folder, for this process only.

    Args:
        folder: for the fabricated files and their registry entries.
        names: weights to provide: "squeezenet1_1", "niqe".
    """
    missing = [name for name in names if not _is_here(name)]
    if not missing:
        return
    (folder / "conf" / "weights").mkdir(parents=True)
    here = folder / "weights"
    here.mkdir()
    for name in names:
        known = entry(name)
        path = here / known.files[0].file
        if name in missing:
            {"squeezenet1_1": _squeezenet, "niqe": _niqe}[name](path)
        else:
            path.write_bytes(locate(name).path.read_bytes())
        layout = {"kind": known.layout.kind}
        content = {
            "what": known.what, "url": known.url, "licence": known.licence, "size_mb": 1,
            "layout": layout, "files": [{"file": path.name, "sha256": file_hash(path)}],
        }  # fmt: skip
        (folder / "conf" / "weights" / f"{name}.yaml").write_text(yaml.safe_dump(content))
    os.environ[CONF_VARIABLE] = str(folder / "conf")
    os.environ["FACESR_WEIGHTS"] = str(here)
    print(f"drawn at random: {', '.join(missing)} (speed does not depend on it); {weights_dir()}")


def _is_here(name: str) -> bool:
    try:
        locate(name)
    except FaceSRError:
        return False
    return True


def _squeezenet(path: Path) -> None:
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    torch.save(squeezenet1_1().state_dict(), path)


def _niqe(path: Path) -> None:
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    draws = rng.normal(size=(200, 36))
    savemat(path, {"mu_prisparam": draws.mean(0)[None], "cov_prisparam": np.cov(draws.T)})
