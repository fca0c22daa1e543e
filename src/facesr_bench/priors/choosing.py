"""A prior or data from the words of a command line, outside a run."""

from collections.abc import Sequence
from pathlib import Path

from facesr_bench.cli import choices
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.errors import ConfigError, first_line
from facesr_bench.priors.loaded import LoadedPrior
from facesr_bench.priors.sources import from_file


def open_prior(name: str) -> LoadedPrior:
    """A prior by its name in ``conf/prior``, or by its file.

    Raises:
        ConfigError: neither exists.
        MissingRequirement: weights of others that are not here.
    """
    if Path(name).is_file():
        return from_file(name)
    known = [choice for choice in choices("prior", []) if choice != "file"]
    if name not in known:
        raise ConfigError(
            f"There is no prior {name!r}, and no such file. Priors: {', '.join(known)}."
        )
    from hydra import compose, initialize_config_module

    from facesr_bench.config import instantiate, plain

    with initialize_config_module("facesr_bench.conf", version_base="1.3"):
        settings = plain(compose("config", [f"+prior@prior={name}"]).prior)
    prior: LoadedPrior = instantiate(settings, "the prior")
    return prior


def open_data(overrides: Sequence[str], side: int) -> FaceSRDataModule:
    """The data of a run's command line.

    Raises:
        ConfigError: there are no such data, or their HR images have another side.
    """
    from hydra import compose, initialize_config_module
    from hydra.errors import HydraException

    from facesr_bench.config import build_data, plain, register_resolvers

    register_resolvers()
    try:
        with initialize_config_module("facesr_bench.conf", version_base="1.3"):
            settings = plain(compose("config", list(overrides)).data)
    except HydraException as error:
        raise ConfigError(f"{' '.join(overrides)} is no data: {first_line(error)}") from None
    data: FaceSRDataModule = build_data(settings)
    if data.hr_size != side:
        raise ConfigError(
            f"The prior makes faces of {side} px, but {data.name} has {data.hr_size}."
        )
    return data
