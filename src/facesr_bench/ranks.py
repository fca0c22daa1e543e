"""Which process of a run this is, known before Lightning starts: whoever is first owns the folder."""

import os
from collections.abc import Mapping

from facesr_bench.errors import ConfigError


def is_first_process(environment: Mapping[str, str] | None = None) -> bool:
    """Whether this is rank 0 of all machines.

    Read as Lightning reads it: from torchrun (``RANK``), SLURM (``SLURM_PROCID``, where ``srun``
    started several tasks), or machine by machine (``NODE_RANK``, and ``LOCAL_RANK`` within one).
    """
    env = os.environ if environment is None else environment
    if "RANK" in env:
        return int(env["RANK"]) == 0
    if _under_slurm(env):
        return int(env["SLURM_PROCID"]) == 0
    node = env.get("NODE_RANK", env.get("GROUP_RANK", "0"))
    return int(node) == 0 and int(env.get("LOCAL_RANK", "0")) == 0


def check_shared_folder(output_dir: object, environment: Mapping[str, str] | None = None) -> None:
    """Processes that were started apart cannot agree on a folder named by the date.

    Raises:
        ConfigError: there is no ``output_dir`` for all of them.
    """
    env = os.environ if environment is None else environment
    apart = "TORCHELASTIC_RUN_ID" in env or "NODE_RANK" in env or _under_slurm(env)
    if apart and not output_dir:
        raise ConfigError(
            "The processes of this run were started apart (torchrun, srun or by hand), so they cannot "
            "agree on a folder named by the date. Give all of them the same one, on a disk they share: "
            "output_dir=DIR."
        )


def _under_slurm(env: Mapping[str, str]) -> bool:
    interactive = env.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return not interactive and "SLURM_PROCID" in env and int(env.get("SLURM_NTASKS", "1")) > 1
