"""From the command line through Hydra to runs: one, or several with ``-m``."""

import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from facesr_bench.cli import config_dirs, report, usage_error
from facesr_bench.config import (
    OUTPUT_DIR_VARIABLE,
    check_choices,
    complete_without_data,
    register_resolvers,
)
from facesr_bench.errors import ConfigError, RunInterrupted, UsageError
from facesr_bench.experiments.words import loosened
from facesr_bench.weights.registry import CONF_VARIABLE

of_cells: dict[str, str] = {}
"""Words that Hydra was given in another form, by that form; a table's sweeper turns them back."""

codes: list[int] = []
"""Exit codes of the jobs of this call; a sweeper adds what no job could tell."""


def launch(words: Sequence[str]) -> int:
    """Compose and run what the command line asks for.

    In a multirun a failed job does not cost the others; the exit code tells of it at the end.

    Returns:
        0, or the largest exit code of the jobs that ran on this machine.
    """
    codes[:] = [0]

    def job(config: DictConfig) -> float | None:
        register_resolvers()  # a launcher may have carried this job to another machine
        failed: int | None = None
        try:
            cell = _cell_of_a_table(config)
            complete_without_data(config)
            for group in ("method", "data"):
                if config.get(group) is None:
                    raise usage_error("method" if group == "method" else "data set", words)
            check_choices(config)
            from facesr_bench.run import run  # PyTorch and all that: only now

            settings = HydraConfig.get()
            sweep = settings.job.num if settings.mode == RunMode.MULTIRUN else None
            _let_lightning_repeat_this_job(words, sweep is not None)
            folder = run(config, list(settings.overrides.task), None if cell else sweep)
            if cell:
                from facesr_bench.experiments.note import note_finished

                note_finished(folder)
            return objective(folder, config.get("objective"))
        except RunInterrupted as error:
            codes.append(report(error))
            raise SystemExit(error.exit_code) from error  # ends a multirun as well
        except Exception as error:
            failed = report(error)
            codes.append(failed)
        finally:
            os.environ.pop(OUTPUT_DIR_VARIABLE, None)
        if "submitit" in str(HydraConfig.get().launcher._target_):
            raise SystemExit(failed)  # alone on its machine: the cluster shall know that it failed
        return math.nan if config.get("objective") else None

    register_resolvers()
    name_conf_folders(words)
    of_cells.clear()
    of_cells.update(loosened(words, config_dirs(words)))
    for_hydra = {plain: loose for loose, plain in of_cells.items()}
    sys.argv = [sys.argv[0], *(for_hydra.get(word, word) for word in words)]
    hydra.main(version_base="1.3", config_path="pkg://facesr_bench.conf", config_name="config")(
        job
    )()
    return max(codes)


def objective(folder: Path, key: str | None) -> float | None:
    """The metric a sweep optimises, out of the record of one of its runs.

    Args:
        folder: of the finished run.
        key: a metric (``objective=psnr_y``), or None where nothing is optimised.

    Raises:
        ConfigError: the record has no such metric.
    """
    if key is None:
        return None
    from facesr_bench.results import read_record

    metrics = read_record(folder / "result.json")["metrics"]
    if key not in metrics or metrics[key].get("value") is None:
        raise ConfigError(
            f"objective={key} is no metric of this run; choose {', '.join(sorted(metrics))}."
        )
    return float(metrics[key]["value"])


def _cell_of_a_table(config: DictConfig) -> str | None:
    """Which run of a paper's table this is; None outside of tables.

    Raises:
        UsageError: a table was asked for as if it were one run.
    """
    table = config.get("table")
    if table is None:
        return None
    if not table.get("cell"):
        raise UsageError(
            f"This experiment is Table {table.number} of {table.paper}, several runs: add -m. "
            f"One of them: -m ... 'table.only=[{next(iter(table.cells))}]'."
        )
    return str(table.cell)


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
