"""From the command line through Hydra to runs: one, or several with ``-m``."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from facesr_bench.cli import config_dirs, report, usage_error
from facesr_bench.config import OUTPUT_DIR_VARIABLE, check_choices, register_resolvers
from facesr_bench.errors import RunInterrupted
from facesr_bench.weights.registry import CONF_VARIABLE


def launch(words: Sequence[str]) -> int:
    """Compose and run what the command line asks for.

    In a multirun a failed job does not cost the others; the exit code tells of it at the end.

    Returns:
        0, or the largest exit code of the jobs.
    """
    codes = [0]

    def job(config: DictConfig) -> None:
        try:
            for group in ("method", "data"):
                if config.get(group) is None:
                    raise usage_error("method" if group == "method" else "data set", words)
            check_choices(config)
            from facesr_bench.run import run  # PyTorch and all that: only now

            settings = HydraConfig.get()
            sweep = settings.job.num if settings.mode == RunMode.MULTIRUN else None
            _let_lightning_repeat_this_job(words, sweep is not None)
            run(config, list(settings.overrides.task), sweep)
        except RunInterrupted as error:
            codes.append(report(error))
            raise SystemExit(error.exit_code) from error  # ends a multirun as well
        except Exception as error:
            codes.append(report(error))
        finally:
            os.environ.pop(OUTPUT_DIR_VARIABLE, None)

    register_resolvers()
    name_conf_folders(words)
    sys.argv = [sys.argv[0], *words]
    hydra.main(version_base="1.3", config_path="pkg://facesr_bench.conf", config_name="config")(
        job
    )()
    return max(codes)


def name_conf_folders(words: Sequence[str]) -> None:
    """Let everything that reads YAML besides Hydra (the weights registry) see ``--config-dir``."""
    folders = [str(Path(folder).absolute()) for folder in config_dirs(words)]
    if folders:
        os.environ[CONF_VARIABLE] = os.pathsep.join(folders)


def _let_lightning_repeat_this_job(words: Sequence[str], multirun: bool) -> None:
    """Lightning starts further processes with our own argv; they must run this job, not the sweep."""
    if not multirun:
        return
    dirs = [
        part
        for flag, value in zip(words, list(words)[1:], strict=False)
        if flag in ("--config-dir", "-cd")
        for part in (flag, value)
    ]
    dirs += [word for word in words if word.startswith("--config-dir=")]
    sys.argv = [sys.argv[0], *dirs, *HydraConfig.get().overrides.task]
