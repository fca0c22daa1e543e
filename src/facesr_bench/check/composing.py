"""A method's YAML composed as a run would, at any scale, on the smallest data."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from facesr_bench.config import plain, register_resolvers
from facesr_bench.errors import ConfigError, UsageError, first_line

FEW_FACES = (
    "+data=tiny",
    "data.source.identities={train: 8, train_lr: 8, val: 2, test: 6}",
    "data.source.shipped_test=null",
)
"""Twelve test faces and sixteen to train on, drawn in a second."""


class Composer:
    """Composes one command line at several scales.

    Args:
        words: overrides: ``+method=NAME``, and whatever a run would be given.
        config_dirs: folders with YAML files beside ours.
    """

    def __init__(self, words: Sequence[str], config_dirs: Sequence[Path] = ()) -> None:
        chosen = [w.split("=", 1)[1] for w in words if w.lstrip("+").startswith("method=")]
        if len(chosen) != 1:
            raise UsageError("Say which method to check: facesr-bench check +method=NAME")
        self.choice = chosen[0]
        data = () if any(w.lstrip("+").startswith("data=") for w in words) else FEW_FACES
        search = ",".join(f"file://{Path(folder).absolute()}" for folder in config_dirs)
        self._search = [f"hydra.searchpath=[{search}]"] if config_dirs else []
        self._words = [*words, *data, "metrics=none", "logger=none", "trainer=cpu"]
        self._composed: dict[str, dict[str, Any]] = {}
        self._unresolved: Any = None  # of all scales: what differs between them is interpolated

    def at(self, scale: str) -> dict[str, Any]:
        """The resolved configuration, as plain containers.

        Raises:
            ConfigError: it does not compose or does not resolve.
        """
        if scale not in self._composed:
            self._composed[scale] = self._compose(scale)
        return self._composed[scale]

    def _compose(self, scale: str) -> dict[str, Any]:
        from hydra import compose, initialize_config_module
        from hydra.core.global_hydra import GlobalHydra
        from hydra.errors import HydraException
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException

        register_resolvers()
        OmegaConf.register_new_resolver("run_dir", lambda: "runs/check", replace=True)
        try:
            if self._unresolved is None:  # reading the YAML files takes most of the time
                GlobalHydra.instance().clear()
                with initialize_config_module("facesr_bench.conf", version_base="1.3"):
                    self._unresolved = compose("config", [*self._search, *self._words])
            config = deepcopy(self._unresolved)
            config.scale = scale
            return plain(config)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(
                f"conf/method/{self.choice}.yaml does not compose at scale={scale}: "
                f"{first_line(error)}"
            ) from error
