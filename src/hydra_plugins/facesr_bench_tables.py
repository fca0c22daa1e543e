"""Hydra finds sweepers in this package only; what ours does is in :mod:`facesr_bench.experiments`.

Chosen by ``hydra.sweeper._target_`` in ``conf/experiment/<paper>/<table>.yaml``. Nothing heavy here:
Hydra imports it at every start.
"""

from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class TableSweeper(Sweeper):
    """Runs the cells of the composed ``table`` block, in waves, through whatever launcher is chosen.

    Args:
        **_: of Hydra's basic sweeper, which a table has no use for.
    """

    def __init__(self, **_: Any) -> None:
        self.launcher: Launcher | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra composed."""
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run all cells that are not finished.

        Args:
            arguments: overrides of the command line.
        """
        from facesr_bench import launch
        from facesr_bench.experiments.plan import left_out, plan
        from facesr_bench.experiments.sweep import Sweep

        table: Any = OmegaConf.to_container(self.config.table, resolve=True)
        scale = str(self.config.scale)
        default = Path("runs") / (str(table["paper"]) + ("" if scale == "full" else f"-{scale}"))
        root = Path(self.config.output_dir or default)
        done = 0

        def run(jobs: Any) -> None:
            nonlocal done
            assert self.launcher is not None
            try:
                self.launcher.launch(jobs, initial_job_idx=done)
            except Exception as error:  # of a cluster: a job failed; its folder says so
                print(f"A job ended with {type(error).__name__}: {error}")
            done += len(jobs)

        words = [launch.of_cells.get(word, word) for word in arguments]
        sweep = Sweep(plan(table, scale, root, words), run)
        sweep.run()
        if sweep.failed:
            launch.codes.append(1)
        print(sweep.summary())
        for name, reason in left_out(table).items() if scale == "smoke" else ():
            print(f"  {name} is left out at scale=smoke: {reason}.")
        print(
            f"  facesr-bench leaderboard {root} --paper {table['paper']} --table {table['number']}"
        )
        return None
