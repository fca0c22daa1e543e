"""Reference sets other than a split's own HR images: features saved here, statistics from elsewhere.

They lie in ``references/`` of the cache folder, one ``.npz`` each, with what they were made of:
network, weights, resize, number of images. Features of another network are no reference.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facesr_bench.cache import cache_dir
from facesr_bench.errors import ConfigError, DataError, MissingRequirement, first_line
from facesr_bench.images import write_atomically
from facesr_bench.metrics.feature_cache import KeyedFeatures
from facesr_bench.metrics.gaussians import Statistics

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BROKEN = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Origin:
    """What a reference was made of.

    Attributes:
        network: as in :mod:`facesr_bench.metrics.feature_network`.
        weights_sha256: beginning of the weight file's hash; None where an imported file does not say.
        resize: as in the network's settings; None likewise.
        count: images; None likewise.
        sha256: of the contents, so that results tell one reference from another of its name.
        kind: "features", or "statistics" alone (no KID, no floor, nothing to leave out).
    """

    network: str
    weights_sha256: str | None
    resize: str | None
    count: int | None
    sha256: str
    kind: str

    def require(self, name: str, network: str, settings: Mapping[str, Any]) -> None:
        """Refuse to be compared with features of another make.

        Raises:
            ConfigError: saying what differs.
        """
        asked = {
            "network": network,
            "weights_sha256": settings.get("weights_sha256"),
            "resize": settings.get("resize"),
        }
        for fact, wanted in asked.items():
            own = getattr(self, fact)
            if own is not None and own != wanted:
                raise ConfigError(
                    f"The reference {name!r} cannot be compared with: its {fact} is {own!r}, this "
                    f"metric's is {wanted!r}. Save or import it for this metric's network."
                )


def reference_path(name: str) -> Path:
    """Where a reference lies.

    Raises:
        ConfigError: a name that is none.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"A reference cannot be called {name!r}: up to 64 letters, digits, '.', '_' and '-', "
            "the first a letter or digit."
        )
    return cache_dir() / "references" / f"{name}.npz"


def store_features(
    name: str, network: str, settings: Mapping[str, Any], features: KeyedFeatures
) -> Path:
    """Keep the features of a set of images under a name.

    Raises:
        ConfigError: a name that is none or is taken.
    """
    arrays = {"keys": np.array(features.keys), "rows": features.rows}
    origin = Origin(
        network, settings.get("weights_sha256"), settings.get("resize"), len(features.keys),
        _digest(arrays), "features",
    )  # fmt: skip
    return _write(name, origin, arrays)


def store_statistics(
    name: str, network: str, dimensions: int, resize: str | None, source: Path
) -> Path:
    """Take in ``mu`` and ``sigma`` (and ``n``) as pytorch-fid, torch-fidelity and others save them.

    Args:
        name: what to call it.
        network: whose features they are of, as the user says.
        dimensions: of that network.
        resize: as in the network's settings where the user knows it.
        source: the file.

    Raises:
        DataError: not such a file, or one that holds pickled objects.
        ConfigError: a name that is none or is taken.
    """
    reference_path(name)
    try:
        with np.load(source, allow_pickle=False) as archive:
            arrays = {key: np.asarray(archive[key], np.float64) for key in ("mu", "sigma")}
            count = int(archive["n"]) if "n" in archive.files else None
    except FileNotFoundError:
        raise DataError(f"There is no file {source} to import.") from None
    except (*_BROKEN, AttributeError) as error:
        raise DataError(
            f"{source} cannot be imported: it must be an .npz of plain arrays 'mu' and 'sigma' "
            f"({first_line(error)}). Nothing that is pickled is opened."
        ) from error
    shapes = [array.shape for array in arrays.values()]
    if shapes != [(dimensions,), (dimensions, dimensions)]:
        raise DataError(
            f"{source} is not of {network}: mu and sigma have the shapes {shapes[0]} and {shapes[1]}, "
            f"not ({dimensions},) and ({dimensions}, {dimensions})."
        )
    _check_sound(source, arrays["mu"], arrays["sigma"])
    if count is not None and count < 2:
        raise DataError(f"{source} says that it was made of {count} images, which cannot be.")
    origin = Origin(network, None, resize, count, _digest(arrays), "statistics")
    return _write(name, origin, arrays)


def read_origin(name: str) -> Origin:
    """What a reference was made of, without its arrays.

    Raises:
        MissingRequirement: there is none of this name.
        DataError: its file is damaged.
    """
    origin: Origin = _open(name, arrays=False)[0]
    return origin


def read_reference(name: str) -> KeyedFeatures | Statistics:
    """The contents of a reference, all in memory.

    Features of the Inception are 8 kB an image (of SqueezeNet 1 kB): 0.4 GB for 50,000 images. An
    array inside an .npz cannot be mapped into memory.

    Raises:
        MissingRequirement: there is none of this name.
        DataError: its file is damaged.
    """
    origin, arrays = _open(name, arrays=True)
    if origin.kind == "features":
        return KeyedFeatures([str(key) for key in arrays["keys"]], arrays["rows"])
    return Statistics(arrays["mu"], arrays["sigma"], origin.count)


def reference_names() -> list[str]:
    """All references on this machine."""
    return sorted(path.stem for path in (cache_dir() / "references").glob("*.npz"))


def _open(name: str, *, arrays: bool) -> tuple[Origin, dict[str, Any]]:
    path = reference_path(name)
    try:
        with np.load(path, allow_pickle=False) as archive:
            origin = Origin(**json.loads(str(archive["origin"])))
            wanted = ("keys", "rows") if origin.kind == "features" else ("mu", "sigma")
            return origin, {key: archive[key] for key in wanted} if arrays else {}
    except FileNotFoundError:
        known = ", ".join(reference_names()) or "none"
        raise MissingRequirement(
            f"there is no reference {name!r} here (known: {known}): facesr-bench reference save "
            f"FOLDER --name {name}, or facesr-bench reference import FILE.npz --name {name}"
        ) from None
    except _BROKEN as error:
        raise DataError(
            f"The reference {path} is damaged ({first_line(error)}); delete it and make it again."
        ) from error


def _write(name: str, origin: Origin, arrays: Mapping[str, Any]) -> Path:
    path = reference_path(name)
    if path.exists():
        raise ConfigError(
            f"There is a reference {name!r} already ({path}); numbers were made with it. Choose "
            "another name, or delete the file."
        )
    content = io.BytesIO()
    np.savez(content, origin=np.array(json.dumps(asdict(origin))), **arrays)
    write_atomically(path, content.getvalue())
    return path


def _digest(arrays: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for key in sorted(arrays):
        digest.update(f"{key}{arrays[key].dtype}{arrays[key].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[key]).tobytes())
    return digest.hexdigest()[:16]


def _check_sound(source: Path, mean: Any, covariance: Any) -> None:
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise DataError(f"{source} holds values that are not finite.")
    skew = np.abs(covariance - covariance.T).max()
    if skew > 1e-6 * np.abs(covariance).max() or covariance.diagonal().min() < 0:
        raise DataError(f"{source} is no mean and covariance: its 'sigma' is not symmetric.")
