"""Features of a test split's HR images, kept between runs: every method is compared with them.

A file belongs to one set of images (the hash of their pixels and keys), one network (its settings,
weight hash among them), one kind of device and one PyTorch. What cannot be read is computed again.
"""

import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facesr_bench.cache import cache_dir
from facesr_bench.errors import DataError, first_line
from facesr_bench.images import write_atomically
from facesr_bench.metrics.gaussians import Features
from facesr_bench.metrics.rows import RowTable

log = logging.getLogger(__name__)

_CODE = 2
"""Raised whenever our own code would compute other features or NIQE of the same images."""


@dataclass(frozen=True)
class KeyedFeatures:
    """Features (n, d) float32 and the keys of their images, sorted."""

    keys: list[str]
    rows: Features


def cache_path(hr_hash: str, settings: Mapping[str, Any], device: str) -> Path:
    """Where features of these images by this network lie, or will.

    Args:
        hr_hash: as in :class:`facesr_bench.metrics.base.Expected`.
        settings: of the network.
        device: "cpu" or "cuda"; their last digits differ.
    """
    import torch

    facts = {
        "code": _CODE,
        "hr": hr_hash,
        "device": device,
        "torch": torch.__version__,
        "network": dict(settings),
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return cache_dir() / "features" / f"{digest[:32]}.npz"


def read_features(path: Path, dimensions: int) -> KeyedFeatures | None:
    """What :func:`write_features` wrote; None where there is nothing, or nothing whole."""
    try:
        with np.load(path, allow_pickle=False) as archive:  # a checksum guards each array
            keys, rows = [str(key) for key in archive["keys"]], archive["rows"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning(
            "The features in %s are damaged (%s) and are made again.", path, first_line(error)
        )
        return None
    sound = rows.dtype == np.float32 and rows.shape == (len(keys), dimensions)
    return KeyedFeatures(keys, rows) if sound and np.isfinite(rows).all() else None


def write_features(path: Path, features: KeyedFeatures) -> None:
    """Keep features; a cache that cannot be written costs time later, not this run's result."""
    content = io.BytesIO()
    np.savez(content, keys=np.array(features.keys), rows=features.rows)
    try:
        write_atomically(path, content.getvalue())
    except OSError as error:
        log.warning(
            "Features cannot be kept in %s (%s); the next run makes them again.", path, error
        )


def complete(keys: list[str], computed: RowTable, known: KeyedFeatures | None) -> KeyedFeatures:
    """Features of these images: those computed in this run, and those kept by an earlier one.

    Raises:
        DataError: some are in neither: the file was there when the run began and is not any more.
    """
    places = {} if known is None else {key: place for place, key in enumerate(known.keys)}
    fresh = set(computed.keys)
    lost = sum(key not in fresh and key not in places for key in keys)
    if lost or known is None:
        raise DataError(
            f"The features of {lost} HR images, kept by an earlier run, have gone from the cache since "
            "this run began. Score again."
        )
    rows = known.rows[[places.get(key, 0) for key in keys]]
    mine = [place for place, key in enumerate(keys) if key in fresh]
    if mine:
        rows[mine] = computed.take([keys[place] for place in mine])
    return KeyedFeatures(keys, rows)
