"""One of two processes of :mod:`facesr_bench.check.ranks`: train jobs, leave their losses."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(folders: Sequence[Path]) -> None:
    """Train what each folder's ``job.json`` describes, as the rank the environment names."""
    jobs = [json.loads((folder / "job.json").read_text()) for folder in folders]
    from facesr_bench import torchvision_ops  # noqa: F401  isort: skip
    import pytorch_lightning as pl

    from facesr_bench.check.learning import ON_CPU, learn
    from facesr_bench.config import build_data, build_method
    from facesr_bench.console import start_logging
    from facesr_bench.images import write_atomically

    start_logging(None)
    for folder, asked in zip(folders, jobs, strict=True):
        settings, seed = asked["settings"], asked["seed"]
        pl.seed_everything(seed, workers=True, verbose=False)
        method = build_method(settings["method"])
        data = build_data(settings["data"])
        trainer = {**ON_CPU, "devices": 2, "strategy": "ddp"}
        learnt = learn(method, data, settings["method"]["budget"], folder, seed, trainer=trainer)
        text = json.dumps(learnt.losses)
        write_atomically(folder / f"losses.{os.environ['LOCAL_RANK']}.json", text.encode())


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
