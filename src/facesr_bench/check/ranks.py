"""Two processes with half a batch each train as one with the whole batch."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facesr_bench.check.subject import SEED, Subject
from facesr_bench.check.tick import NotClaimed, Tick

COMPARED = 3
"""Steps: the first tells who sees which image, the later ones whether gradients are averaged."""

WITHIN = 1e-4
"""Of a loss, relative above 1; float32 sums in another order move it less."""

SECONDS = 600
"""For two processes to start and train the smoke budget; on an idle machine they need about 20."""


def two_ranks(subject: Subject) -> str:
    """Gloo on the CPU; losses are averaged over the ranks."""
    subject.must_train()
    sizes = {p.batch_size for p in subject.ready.make_budget(subject.budget).phases}
    odd = [size for size in sizes if size % 2]
    if odd:
        raise NotClaimed(f"a batch of {odd[0]} cannot be shared by two processes")
    folder = write_job(subject)
    train_on_two([folder])
    return compare(subject, folder)


def write_job(subject: Subject) -> Path:
    """Describe the training for other processes; the folder also takes what they leave."""
    folder = subject.folder / "ranks"
    folder.mkdir(exist_ok=True)
    job = {"settings": subject.settings, "seed": SEED}
    (folder / "job.json").write_text(json.dumps(job))
    return folder


def train_on_two(folders: Sequence[Path]) -> None:
    """Start two processes that train each folder's job together, and wait for them."""
    port = free_port()
    worker = [sys.executable, "-W", "ignore", "-m", "facesr_bench.check.rank_worker"]
    running = []
    for rank in range(2):
        with (folders[0] / f"{rank}.log").open("w") as log:
            running.append(
                subprocess.Popen(
                    [*worker, *map(str, folders)], stdout=log, stderr=log,
                    env={**os.environ, **environment_of(rank, port)},
                )
            )  # fmt: skip
    ends = time.monotonic() + SECONDS
    try:
        while any(process.poll() is None for process in running) and time.monotonic() < ends:
            if any(process.poll() for process in running):  # the other would wait for it
                break
            time.sleep(0.1)
        else:
            if time.monotonic() >= ends:
                (folders[0] / "late").touch()
    finally:
        for process in running:
            process.kill()
            process.wait()


def compare(subject: Subject, folder: Path) -> str:
    """What two processes left beside the losses of one."""
    ranks = [_losses(subject, folder, rank) for rank in range(2)]
    whole = subject.learnt.losses
    if [len(rows) for rows in ranks] != [len(whole)] * 2:
        raise subject.fault("training_step", "takes another number of steps on two processes")
    if subject.kind.rank_dependent:
        return f"trains; losses are not compared: {subject.kind.rank_dependent}"
    worst = 0.0
    for number in range(min(COMPARED, len(whole))):
        for name, value in whole[number].items():
            mean = sum(rows[number][name] for rows in ranks) / 2
            gap = abs(mean - value) / max(1.0, abs(value))
            worst = max(worst, gap)
            if not gap <= WITHIN:
                raise subject.fault(
                    "training_step",
                    f"has {name}={mean:.6g} in step {number + 1} on two processes and {value:.6g} on "
                    "one with the whole batch: draw noise by self.noise(role, batch, ...), let losses "
                    "be means over images, or say why not in rank_dependent",
                )
    return f"losses of {min(COMPARED, len(whole))} steps within {worst:.1g}"


def _losses(subject: Subject, folder: Path, rank: int) -> list[dict[str, float]]:
    path = folder / f"losses.{rank}.json"
    if not path.is_file():
        if (folder / "late").is_file():
            raise subject.fault("training_step", f"had not trained on two processes in {SECONDS} s")
        logs = [folder / f"{number}.log" for number in (rank, 1 - rank)]
        heard = [log.read_text().split("\n") for log in logs if log.is_file()]
        said = [line for lines in heard for line in lines if line.strip()]
        why = said[-1][:200] if said else f"nothing was heard of it within {SECONDS} s"
        raise subject.fault("training_step", f"does not train on two processes: {why}")
    rows: list[dict[str, Any]] = json.loads(path.read_text())
    return rows


def environment_of(rank: int, port: int) -> dict[str, str]:
    """What tells a process that it is one of two of this machine, started by somebody else."""
    return {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "NODE_RANK": "0",
        "LOCAL_RANK": str(rank),
    }


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


TICKS = (
    Tick(
        "ranks", "two processes train as one", two_ranks, after=("losses", "draws", "resume"),
        slow=True,
    ),
)  # fmt: skip
