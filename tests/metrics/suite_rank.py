"""The ranks of the suite's multi-process test: each scores its shard and leaves JSON."""

import json
import multiprocessing
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

import facesr_bench.torchvision_ops  # noqa: F401
from facesr_bench.errors import DataError
from facesr_bench.metrics.base import Expected, PerImageMetric, ScoreBatch
from facesr_bench.metrics.choosing import compose_metrics
from facesr_bench.metrics.suite import MetricSuite

N = 11


class Picky(PerImageMetric):
    """Breaks on one image, so on one rank only."""

    higher_is_better = True
    keys = ("picky",)

    def settings(self):
        return {}

    def score(self, batch):
        if "07" in batch.keys:
            raise DataError("Picky does not like 07.")
        return {"picky": np.zeros(len(batch.keys))}


def make_batch(indices):
    images = []
    for role, side in (("sr", 32), ("hr", 32), ("lr", 8)):
        shape = (3, side, side)
        made = [
            np.random.default_rng([i, len(role), ord(role[0])]).integers(0, 256, shape)
            for i in indices
        ]
        stacked = np.array(made, dtype=np.uint8).reshape(-1, *shape)
        images.append(torch.from_numpy(stacked))
    identities = [None if i == 0 else f"person {i % 4}" for i in indices]
    return ScoreBatch([f"{i:02d}" for i in indices], *images, identities)


def make_suite():
    """Every family; the networks' weights are the ones fabricated by the test."""
    measures = compose_metrics(["core", "lpips_squeeze", "fd_squeezenet", "niqe"])
    suite = MetricSuite.from_config({**measures, "allow_small": True}, "toy")
    return MetricSuite([*suite.metrics, Picky()], replicates=200)


def run(batches):
    scores = make_suite().score((make_batch(indices) for indices in batches), Expected(N))
    return {**scores.to_json(), "per_image": scores.per_image, "images": scores.images}


def main(rank, folder, cases):
    """Take part in every case that has this rank; a case is one list of batches for each rank."""
    for number, shards in enumerate(cases):
        if rank >= len(shards):
            continue
        store = dist.FileStore(str(folder / f"store{number}"), len(shards))
        dist.init_process_group("gloo", store=store, rank=rank, world_size=len(shards))
        (folder / f"{number}-{rank}.json").write_text(json.dumps(run(shards[rank])))
        dist.destroy_process_group()


if __name__ == "__main__":
    # Importing takes most of this test's time, so it is done once, and the ranks fork from there.
    fork = multiprocessing.get_context("fork")
    arguments = Path(sys.argv[1]), json.loads(sys.argv[2])
    ranks = [fork.Process(target=main, args=(rank, *arguments)) for rank in range(3)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(200)
    sys.exit(any(process.exitcode != 0 for process in ranks))
