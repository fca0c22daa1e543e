"""Several machines: two nodes on this one, and what a sweep hands to SLURM."""

import os
import stat
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from cli.small_method import words
from command_line import ROOT, SMALL, TINY, record_of
from facesr_bench.errors import ConfigError
from facesr_bench.launch import objective
from facesr_bench.ranks import check_shared_folder, is_first_process
from facesr_bench.results import write_record
from forked import command, two_ranks
from sample_record import record

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the nodes fork")

TORCHRUN = {"RANK": "0", "LOCAL_RANK": "0", "TORCHELASTIC_RUN_ID": "x"}
SRUN = {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_NAME": "train"}


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1"}, False),
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),
        (TORCHRUN, True),
        (TORCHRUN | {"RANK": "8"}, False),
        (SRUN, True),
        (SRUN | {"SLURM_PROCID": "2", "SLURM_LOCALID": "0"}, False),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1", "LOCAL_RANK": "1"}, False),
        (SRUN | {"SLURM_JOB_NAME": "bash", "SLURM_PROCID": "2"}, True),
    ],
)
def test_one_process_of_all_machines_is_first(environment: dict[str, str], first: bool) -> None:
    assert is_first_process(environment) is first


@pytest.mark.parametrize("environment", [TORCHRUN, SRUN, {"NODE_RANK": "0"}])
def test_processes_started_apart_need_a_folder(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="output_dir=DIR"):
        check_shared_folder(None, environment)
    check_shared_folder("runs/x", environment)
    check_shared_folder(None, {"LOCAL_RANK": "1"})


def test_two_nodes_train_and_test_like_one_process(tmp_path: Path) -> None:
    chosen = [*words(tmp_path), *TINY, "metrics=none", "images=48"]
    nodes = two_ranks([*chosen, "output_dir=two"], tmp_path)
    code, said = command([*chosen, "trainer=cpu", "output_dir=one"], tmp_path)
    assert code == 0, said
    for node in nodes:
        assert node.wait() == 0, node.said
    states = [
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("one", "two")
    ]
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, atol=1e-6, rtol=0, msg=name)
    one, two = record_of(tmp_path / "one"), record_of(tmp_path / "two")
    assert (
        one["n_images"] == two["n_images"] == 12 == len(list((tmp_path / "two/sr").rglob("*.png")))
    )
    assert one["trained_on"] == two["trained_on"]


def test_slurm_gives_the_trainer_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "8")
    trainer = OmegaConf.to_container(OmegaConf.load(ROOT / "conf/trainer/slurm.yaml"), resolve=True)
    assert trainer == trainer | {"num_nodes": 2, "devices": 8, "strategy": "ddp"}


SBATCH = """\
#!/bin/sh
cp "$1" "{kept}"
echo "Submitted batch job 4242"
"""


def test_a_sweep_becomes_a_slurm_array(tmp_path: Path) -> None:
    """The batch script that would be submitted; nothing is run."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name, text in (
        ("sbatch", SBATCH.format(kept=tmp_path / "script")),
        ("srun", "#!/bin/sh\n"),
    ):
        (bin_ / name).write_text(text)
        (bin_ / name).chmod(0o700 | stat.S_IXUSR)

    def never_wait() -> None:
        from hydra.core.utils import JobReturn, JobStatus
        from submitit.core.core import Job

        done = JobReturn()
        done.status, done.return_value = JobStatus.COMPLETED, None
        Job.results = lambda self: [done]

    code, said = command(
        ["-m", *words(tmp_path), *SMALL, "seed=1,2,3", "output_dir=seeds",
         "hydra/launcher=submitit_slurm", "hydra.launcher.gpus_per_node=1",
         "hydra.launcher.timeout_min=90", "hydra.launcher.partition=gpu"],
        tmp_path, never_wait, {"PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    assert code == 0, said
    script = (tmp_path / "script").read_text()
    for line in ("--array=0-2", "--gpus-per-node=1", "--time=90", "--partition=gpu", "--nodes=1"):
        assert f"#SBATCH {line}" in script, script
    assert "srun" in script and "submitit.core._submit" in script


def test_an_objective_is_a_metric_of_the_record(tmp_path: Path) -> None:
    assert objective(tmp_path, None) is None
    write_record(tmp_path / "result.json", record())
    assert objective(tmp_path, "x") == 20.5
    with pytest.raises(ConfigError, match="objective=fid is no metric of this run; choose x"):
        objective(tmp_path, "fid")
