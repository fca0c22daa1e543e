"""Images per second of Pro-PULSE's last training stage against a plain loop, step about.

    python benchmarks/propulse_speed.py
    python benchmarks/propulse_speed.py --device cuda --resolution 1024 --width 32768 --n-feats 256

Both start from the same weights and see the same batches, each on networks of its own; the prior is a
random StyleGAN2. The plain loop is what one would write without this suite: one pass of the generator
for critic and encoder, Adam as it comes, L_rec by the same matrices, no logging.
"""

import argparse
import copy
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytorch_lightning as pl
import torch
from report import note
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, IterableDataset

from facesr_bench.method import TrainingContext
from facesr_bench.methods.propulse import ProPULSE
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.priors.loaded import LoadedPrior

LOSSES = ("D", "rec", "adv")


class Batches(IterableDataset[dict[str, Tensor]]):
    """Random batches, made before anything is timed."""

    def __init__(self, side: int, batch: int, steps: int) -> None:
        rng = torch.Generator().manual_seed(1)
        self._batches = [
            {
                "hr": torch.rand(batch, 3, side, side, generator=rng),
                "lr": torch.rand(batch, 3, 16, 16, generator=rng),
            }
            for _ in range(steps)
        ]

    def __iter__(self) -> Any:
        return iter(self._batches)


class PlainLoop:
    """Stage E_W+ at the last side: critic with R1 every 16 steps, then the encoder."""

    def __init__(self, method: ProPULSE, device: str) -> None:
        nets = copy.deepcopy(method.nets).to(device)
        self.generator, self.encoder = nets.G_ds, nets.E_Wplus
        self.generator.branches.requires_grad_(False)
        self.critic = copy.deepcopy(method.critic).to(device)
        self.matrices = {
            side: method.objectives.reduce.get_buffer(f"from{side}").to(device)
            for side in self.generator.sides
        }
        self.adam = torch.optim.Adam(self.encoder.parameters(), lr=1e-4)
        self.adam_d = torch.optim.Adam(self.critic.parameters(), lr=1e-4)
        self.steps = 0

    def step(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """L_D, L_rec and L_adv, before the steps they cause."""
        lr, hr = batch["lr"] * 2 - 1, batch["hr"] * 2 - 1
        images = self.generator(self.encoder(lr))
        fake = images[max(images)]

        self.adam_d.zero_grad()
        due = self.steps % 16 == 0
        hr.requires_grad_(due)
        real = self.critic(hr)
        loss_d = self.critic(fake.detach()).mean() - real.mean()
        total = loss_d
        if due:
            (gradient,) = torch.autograd.grad(real.sum(), hr, create_graph=True)
            total = total + 16 * 10 / 2 * gradient.square().sum((1, 2, 3)).mean()
        total.backward()
        self.adam_d.step()

        self.adam.zero_grad()
        terms = [mse_loss(self.matrices[s] @ x @ self.matrices[s].T, lr) for s, x in images.items()]
        rec = torch.stack(terms).mean()
        adv = -self.critic(fake).mean()
        (rec + 0.01 * adv).backward()
        self.adam.step()
        self.steps += 1
        return loss_d.detach(), rec.detach(), adv.detach()


class StepAbout(pl.Callback):
    """After each step of ours, the same step by the plain loop."""

    def __init__(self, plain: PlainLoop, clock: Callable[[], float]) -> None:
        self._plain, self._clock = plain, clock
        self.ours: list[float] = []
        self.plain: list[float] = []
        self.apart: list[float] = []

    def on_train_batch_start(self, trainer: Any, module: ProPULSE, *_: Any) -> None:
        """Start the clock."""
        _wait(module.device)
        self._started = self._clock()

    def on_train_batch_end(
        self, trainer: Any, module: ProPULSE, _o: Any, batch: Any, *_: Any
    ) -> None:
        """Stop it, and time the plain step."""
        _wait(module.device)
        self.ours.append(self._clock() - self._started)
        module.images_seen += len(batch["hr"])
        started = self._clock()
        losses = self._plain.step(batch)
        _wait(module.device)
        self.plain.append(self._clock() - started)
        pairs = zip((module.losses[name] for name in LOSSES), losses, strict=True)
        self.apart.append(max(abs(float(a - b)) for a, b in pairs))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def run(options: argparse.Namespace) -> StepAbout:
    """Train both for some steps from the same weights."""
    torch.manual_seed(0)
    side = options.resolution
    prior = LoadedPrior("random", StyleGAN2(side, 128, 128, 4, options.width, 512))
    method = ProPULSE(
        prior=prior,
        hr_size=side,
        factor=side // 16,
        n_feats=options.n_feats,
        hidden=options.hidden,
        perceptual=None,
        identity=None,
        channels_last=options.channels_last,
    )
    method.progress.trained |= {"branches", "base"}  # a step costs the same on parts nobody trained
    steps = options.warm_up + options.steps
    row = {"name": "E_W+", "images": options.batch * steps, "batch_size": options.batch}
    budget = method.make_budget({"phases": [row | {"train": "scales", "side": side}]})
    method.bind(TrainingContext(seed=0, budget=budget, train_images=row["images"]))
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    step_about = StepAbout(PlainLoop(method, options.device), clock)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            accelerator="gpu" if options.device == "cuda" else "cpu",
            devices=1,
            max_epochs=1,
            callbacks=[step_about],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(method, DataLoader(Batches(side, options.batch, steps), batch_size=None))
    return step_about


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--resolution", type=int, default=64, help="of the prior")
    parser.add_argument("--width", type=int, default=2048, help="its channels times their side")
    parser.add_argument("--n-feats", type=int, default=32)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument(
        "--clock",
        default="wall",
        choices=["wall", "cpu"],
        help="cpu: this process's CPU time, for a busy machine and OMP_NUM_THREADS=1",
    )
    options = parser.parse_args()
    torch.backends.cudnn.allow_tf32 = False  # for both
    found = run(options)
    ours, plain = found.ours[options.warm_up :], found.plain[options.warm_up :]
    ratio = statistics.median(p / o for o, p in zip(ours, plain, strict=True))
    speeds = [options.batch / statistics.median(seconds) for seconds in (ours, plain)]
    note(f"Pro-PULSE training step, batch {options.batch}", "images/s", *speeds, ratio)
    print(f"{vars(options)}  threads={torch.get_num_threads()}")
    print(f"ours  {options.batch / statistics.median(ours):9.2f} images/s")
    print(f"plain {options.batch / statistics.median(plain):9.2f} images/s")
    print(
        f"ratio {ratio:9.3f}  (median of {len(ours)} pairs; losses apart by {found.apart[0]:.1e} in "
        f"step 1, {found.apart[2]:.1e} in step 3)"
    )


if __name__ == "__main__":
    main()
