"""Where priors come from: the package, a file trained here, or registered weights of others."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from facesr_bench.checkpoints import file_sha256, load_weights, read_checkpoint
from facesr_bench.errors import ConfigError, WeightsError
from facesr_bench.nets.stylegan1.generator import StyleGAN1
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.nets.stylegan2.keys import ada_parameters, basicsr_to_ada, rosinality_to_ada
from facesr_bench.priors.loaded import LoadedPrior
from facesr_bench.priors.shapes import stylegan2_sizes
from facesr_bench.priors.statistics import code_statistics
from facesr_bench.weights.construction import construction_of
from facesr_bench.weights.loading import WeightFile, load_state, locate
from facesr_bench.weights.requirements import require

SHIPPED = Path(__file__).parent / "shipped"
"""Priors of this project, trained on its embedded faces; a model card lies beside each."""

_AVERAGE = "average."
"""Where a checkpoint of ``+method=stylegan2`` keeps the generator that is judged."""

_KEYS = {"ada": ada_parameters, "rosinality": rosinality_to_ada, "basicsr": basicsr_to_ada}


def shipped(name: str) -> LoadedPrior:
    """A prior of the package.

    Args:
        name: of its file, ``synthface64``.

    Raises:
        WeightsError: it is damaged or not there.
    """
    path = SHIPPED / f"{name}.safetensors"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.safetensors")))
        raise WeightsError(
            f"No prior {name!r} ships with the package; there are: {known or 'none'}."
        )
    card = _card(path)
    content = read_checkpoint(path, card["sha256"])
    return _stylegan2(name, content["state_dict"], path, card["trained_on"], "shipped prior")


def from_file(path: str, name: str | None = None) -> LoadedPrior:
    """A prior trained here: a run's ``last.ckpt``, or the file made of it.

    Args:
        path: ``checkpoints/last.ckpt`` of a run of ``+method=stylegan2``, or a ``.safetensors`` that
            ``facesr-bench prior ship`` wrote.
        name: what tables call it; the name of the file, or of the run's folder, by default.

    Raises:
        WeightsError: it is missing or holds no generator.
    """
    file = Path(path).expanduser()
    content = read_checkpoint(file)
    state: Mapping[str, Tensor] = content.get("state_dict", content)
    inner = {k.removeprefix(_AVERAGE): v for k, v in state.items() if k.startswith(_AVERAGE)}
    trained_on = content.get("trained_on", [])
    if file.suffix == ".safetensors" and file.with_suffix(".json").is_file():
        card = _card(file)
        if card["sha256"] != file_sha256(file):
            raise WeightsError(
                f"{file.with_suffix('.json')} describes another file than {file.name}, by its sha256. "
                "Make both again with facesr-bench prior ship, or remove the card."
            )
        trained_on = card["trained_on"]
    run = file.parent.parent.name if file.name == "last.ckpt" else file.stem
    return _stylegan2(name or run, inner or state, file, trained_on, "prior")


def stylegan2(name: str, weights: str, keys: str, trained_on: str) -> LoadedPrior:
    """Registered StyleGAN2 weights of others.

    Args:
        name: what tables call it.
        weights: name in the registry of weights.
        keys: whose names its tensors have: ada, rosinality or basicsr.
        trained_on: the data behind them, in the words of their publication.

    Raises:
        MissingRequirement: the file is not here.
        WeightsError: it is another file, or another network, or one built in a way ours cannot be.
    """
    if keys not in _KEYS:
        raise ConfigError(f"keys={keys} is not known; choose one of {', '.join(_KEYS)}.")
    file = locate(weights)
    state = _KEYS[keys](load_state(file))
    built = construction_of(file) if file.entry.layout.kind == "ada_pickle" else {}
    return _stylegan2(name, state, file.path, [{"data": trained_on}], "prior", file, built)


def stylegan1(name: str, synthesis: str, mapping: str, trained_on: str) -> LoadedPrior:
    """The pair of files that PULSE published.

    Args:
        name: what tables call it.
        synthesis: name in the registry of weights.
        mapping: likewise.
        trained_on: the data behind them, in the words of their publication.

    Raises:
        MissingRequirement: a file is not here; both are named.
    """
    files = require(lambda: locate(synthesis), lambda: locate(mapping))
    states = [load_state(file) for file in files]
    sides = [int(key.split(".")[1].split("x")[0]) for key in states[0] if key.startswith("blocks.")]
    network = StyleGAN1(max(sides))
    for part, state, file in zip((network.synthesis, network.mapping), states, files, strict=True):
        load_weights(part, {"state_dict": state}, str(file.path))
    return LoadedPrior(name, network, [{"data": trained_on}], [_entry(f, "prior") for f in files])


def _card(file: Path) -> dict[str, Any]:
    path = file.with_suffix(".json")
    try:
        card: dict[str, Any] = json.loads(path.read_text())
        return {"sha256": str(card["sha256"]), "trained_on": list(card["trained_on"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"The card {path} is missing or damaged ({error}).") from error


def _stylegan2(
    name: str,
    state: Mapping[str, Tensor],
    path: Path,
    trained_on: list[dict[str, Any]],
    role: str,
    file: WeightFile | None = None,
    built: Mapping[str, Any] | None = None,
) -> LoadedPrior:
    network = StyleGAN2(**stylegan2_sizes(state, str(path)), **(built or {}))
    lacks_average = "mapping.w_avg" not in state  # as BasicSR's do
    if lacks_average:
        state = {**state, "mapping.w_avg": network.mapping.w_avg}
    load_weights(network, {"state_dict": dict(state)}, str(path))
    if lacks_average:
        network.mapping.w_avg.copy_(code_statistics(network, 10_000)[0])
    entry = (
        {"file": path.name, "sha256": file_sha256(path), "role": role}
        if file is None
        else _entry(file, role)
    )
    return LoadedPrior(name, network, trained_on, [entry])


def _entry(file: WeightFile, role: str) -> dict[str, str]:
    return {"file": file.path.name, "sha256": file.sha256, "role": role}
