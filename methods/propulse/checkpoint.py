"""What a checkpoint must agree with: the method's networks, and the prior its codes are for."""

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor

from facesr_bench.errors import WeightsError
from facesr_bench.priors.loaded import LoadedPrior

State = Mapping[str, Tensor]


def check_prior(saved: Mapping[str, Any] | None, prior: LoadedPrior) -> None:
    """Refuse codes of another prior: nothing else would notice, but the faces would be noise.

    Args:
        saved: the checkpoint's :meth:`~facesr_bench.priors.loaded.LoadedPrior.facts`, if it has any.
        prior: the one at hand.

    Raises:
        WeightsError: both name their files, and these differ.
    """
    if saved is None:
        return
    theirs = {entry["sha256"] for entry in saved["files"]}
    ours = {entry["sha256"] for entry in prior.files}
    if theirs and ours and theirs != ours:
        raise WeightsError(
            f"These encoders were trained for the prior {saved['name']} "
            f"(sha256 {min(theirs)[:16]}...), but the run uses {prior.name} "
            f"(sha256 {min(ours)[:16]}...); choose the same by prior@method.prior=NAME."
        )


def check_variant(
    saved: Mapping[str, Any] | None, own: Mapping[str, Any], only: Collection[str] | None = None
) -> None:
    """Refuse a checkpoint of another experiment, which would go on and be recorded as this one.

    Args:
        saved: the switches the checkpoint was trained with; None says nothing, and passes.
        own: those of the method.
        only: names that matter; None for all.

    Raises:
        WeightsError: they differ.
    """
    if saved is None:
        return
    # One switch was the norm of all three losses before L_rec had its own.
    theirs, ours = {"rec_norm": saved.get("norm"), **_plain(saved)}, _plain(own)
    theirs = {name: value for name, value in theirs.items() if value is not None}
    names = [n for n in ours if n in theirs and (only is None or n in only)]
    if wrong := [name for name in names if theirs[name] != ours[name]]:
        raise WeightsError(
            f"These weights were trained with {', '.join(f'{n}={theirs[n]}' for n in wrong)}, but the "
            f"method has {', '.join(f'{n}={ours[n]}' for n in wrong)}. Give the arguments they were "
            "trained with; to train on from them as another variant use init= instead of ckpt=."
        )


def _plain(variant: Mapping[str, Any]) -> dict[str, Any]:
    return {n: list(v) if isinstance(v, tuple) else v for n, v in variant.items()}


def complete_state(state: State, own: State) -> dict[str, Tensor]:
    """A state dict for the whole method; networks that the file does not hold keep what they have."""
    held = {network_of(name) for name in state}
    return {n: v for n, v in own.items() if network_of(n) not in held} | dict(state)


def network_of(name: str) -> str:
    """The network a key belongs to: "nets.E_W", "critic", or one branch of G_ds."""
    parts = name.split(".")
    if parts[:2] == ["nets", "G_ds"]:
        return ".".join(parts[:4])
    return ".".join(parts[:2] if parts[0] == "nets" else parts[:1])
