"""Training a StyleGAN2 prior: the order of a step, who gets gradients, penalties, average, resuming."""

import copy
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from facesr_bench.budget import Budget, Phase
from facesr_bench.errors import ConfigError, WeightsError
from facesr_bench.method import TrainingContext
from facesr_bench.methods.stylegan2 import StyleGAN2Prior
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.priors.loaded import LoadedPrior

SMALL: dict[str, Any] = {
    "hr_size": 16,
    "z_dim": 8,
    "w_dim": 8,
    "map_layers": 2,
    "channel_base": 128,
    "channel_max": 16,
}
BATCH = 4


def build(seed: int = 0, **arguments: Any) -> StyleGAN2Prior:
    torch.manual_seed(seed)
    method = StyleGAN2Prior(**SMALL | arguments)
    budget = Budget([Phase("train", 10_000, BATCH)])
    method.bind(TrainingContext(seed=2020, budget=budget, train_images=100))
    return method


class Images(pl.Callback):
    """What the harness does: count."""

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        module.images_seen += BATCH


def fit(method: StyleGAN2Prior, steps: int, checkpoint: Path | None = None) -> pl.Trainer:
    generator = torch.Generator().manual_seed(7)
    coarse = torch.rand(BATCH, 3, 4, 4, generator=generator)
    hr = nn.functional.interpolate(coarse, method.hr_size, mode="bilinear", align_corners=True)
    run = pl.Trainer(
        max_epochs=steps + method.images_seen // BATCH,
        callbacks=[Images()],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    run.fit(method, DataLoader([{"hr": image} for image in hr], BATCH), ckpt_path=checkpoint)
    return run


def state(method: StyleGAN2Prior) -> dict[str, Tensor]:
    return copy.deepcopy(method.state_dict())


def moved(before: dict[str, Tensor], after: dict[str, Tensor], prefix: str) -> set[str]:
    names = {name for name in before if name.startswith(prefix)}
    return {name for name in names if not torch.equal(before[name], after[name])}


def test_a_step_moves_every_parameter_of_both_networks_and_the_average_follows() -> None:
    method = build()
    before = state(method)
    fit(method, 1)
    after = state(method)
    for prefix in ("generator.", "discriminator."):
        parameters = {
            prefix + name
            for name, _ in method.get_submodule(prefix[:-1]).named_parameters()
            # mixing leaves no layer without a gradient; the last logit's bias has one only from
            # D's two terms, which cancel at first
            if name != "b4.out.bias"
        }
        assert parameters <= moved(before, after, prefix) | {"discriminator.b4.out.bias"}
    decay = 0.5 ** (32 / 10_000)
    name = "synthesis.b8.conv0.weight"
    expected = before[f"average.{name}"].lerp(after[f"generator.{name}"], 1 - decay)
    torch.testing.assert_close(after[f"average.{name}"], expected)


def test_the_average_shares_no_storage_and_gets_no_gradient() -> None:
    method = build()
    own = {p.data_ptr() for p in [*method.generator.parameters(), *method.generator.buffers()]}
    kept = {p.data_ptr() for p in [*method.average.parameters(), *method.average.buffers()]}
    assert not own & kept
    fit(method, 1)
    assert all(p.grad is None and not p.requires_grad for p in method.average.parameters())


def test_each_loss_reaches_its_own_network_only() -> None:
    """Between the halves of a step the other network is frozen: its gradients stay as they were."""
    method = build()
    seen: dict[str, set[str]] = {}
    backward = method.manual_backward

    def look(loss: Tensor, *args: Any, **kwargs: Any) -> None:
        method.zero_grad(set_to_none=True)
        backward(loss, *args, **kwargs)
        who = {n.split(".")[0] for n, p in method.named_parameters() if p.grad is not None}
        seen[f"{len(seen)}"] = who

    method.manual_backward = look  # type: ignore[method-assign]
    fit(method, 1)
    # G, path length, D, R1
    assert list(seen.values()) == [
        {"generator"},
        {"generator"},
        {"discriminator"},
        {"discriminator"},
    ]


def test_penalties_come_when_they_are_due() -> None:
    method = build(r1_interval=3, path_interval=2)
    counts = {"path": 0, "r1": 0}
    for name in counts:
        real = getattr(method.losses_of, name)

        def counted(*args: Any, name: str = name, real: Any = real) -> Any:
            counts[name] += 1
            return real(*args)

        setattr(method.losses_of, name, counted)
    fit(method, 6)
    assert counts == {"path": 3, "r1": 2}


def test_adam_is_corrected_for_lazy_penalties() -> None:
    adam_g, adam_d = build(lr=0.0025).configure_optimizers()
    assert adam_g.param_groups[0]["lr"] == pytest.approx(0.0025 * 4 / 5)
    assert adam_g.param_groups[0]["betas"] == (0.0, pytest.approx(0.99 ** (4 / 5)))
    assert adam_d.param_groups[0]["lr"] == pytest.approx(0.0025 * 16 / 17)
    assert adam_d.param_groups[0]["betas"] == (0.0, pytest.approx(0.99 ** (16 / 17)))
    plain, _ = build(lr=0.0025, path_weight=0).configure_optimizers()
    assert plain.param_groups[0]["lr"] == pytest.approx(0.0025)


def test_gamma_follows_the_size_and_the_batch_unless_given() -> None:
    assert build().gamma == pytest.approx(0.0002 * 16**2 / BATCH)
    assert build(gamma=0.4).gamma == 0.4


def test_the_mean_code_is_tracked() -> None:
    """It moves by 0.005 of the way to the mean of each step's codes, and the average has it too."""
    method = build()
    method.generator.mapping.w_avg.fill_(0.5)
    real, means = method.losses_of.generator, []

    def watched(*args: Any) -> Any:
        loss, codes = real(*args)
        means.append(codes.mean(0))
        return loss, codes

    method.losses_of.generator = watched  # type: ignore[method-assign]
    fit(method, 3)
    expected = torch.full_like(means[0], 0.5)
    for mean in means:
        expected = 0.995 * expected + 0.005 * mean
    assert len(means) == 3
    torch.testing.assert_close(method.generator.mapping.w_avg, expected)
    torch.testing.assert_close(method.average.mapping.w_avg, expected)


def test_mixing_changes_the_codes_from_one_layer_on() -> None:
    from facesr_bench.methods.stylegan2.draws import Draws

    method = build()
    drawn = Draws(method, BATCH, 1.0).codes("G")
    assert drawn.other is not None
    assert 1 <= drawn.cut < method.generator.num_codes
    codes = method.generator.mapping(drawn.z)
    ws = method.losses_of._layers(codes, drawn)
    others = method.generator.mapping(drawn.other)
    for layer in range(method.generator.num_codes):
        assert torch.equal(ws[:, layer], codes if layer < drawn.cut else others), layer
    assert not torch.equal(codes, others)
    assert Draws(method, BATCH, 0.0).codes("G").other is None


def test_a_discriminator_alone_learns_to_tell_one_batch_apart() -> None:
    """One batch overfits: while it warms up the generator stands still, and D's loss falls far below
    2 log 2."""
    method = build(path_weight=0, gamma=0.0, lr=0.01, warm_up=10_000)
    losses: list[float] = []
    method.log_losses = lambda terms: losses.append(float(terms["D"].detach()))  # type: ignore[method-assign]
    fit(method, 60)
    assert losses[0] > 1.2
    assert sum(losses[-5:]) / 5 < 0.4


def test_a_new_discriminator_warms_up_alone() -> None:
    method = build(warm_up=2 * BATCH)
    before = state(method)
    fit(method, 2)
    assert not moved(before, state(method), "generator.")
    assert moved(before, state(method), "discriminator.")
    fit(method, 1)
    assert moved(before, state(method), "generator.")


def test_the_rate_falls_to_zero_over_the_last_images() -> None:
    method = build(lr=0.0025, fade=4 * BATCH)
    budget = Budget([Phase("train", 5 * BATCH, BATCH)])
    method.bind(TrainingContext(seed=2020, budget=budget, train_images=100))
    method._path = None  # three steps of Adam a batch otherwise
    rates: list[float] = []
    configure = method.configure_optimizers

    def note(adam: torch.optim.Optimizer, *_: Any) -> None:
        rates.append(adam.param_groups[0]["lr"])

    def watched() -> Any:
        adams = configure()
        for adam in adams:
            adam.register_step_pre_hook(note)
        return adams

    method.configure_optimizers = watched  # type: ignore[method-assign]
    fit(method, 5)
    g, d = 0.0025, 0.0025 * 16 / 17
    expected = [g, d, d, g, d, g * 0.75, d * 0.75, g * 0.5, d * 0.5, g * 0.25, d * 0.25]
    assert rates == pytest.approx(expected)  # R1 of the first step is a step of its own


def test_training_on_from_a_prior_keeps_its_faces_and_its_provenance() -> None:
    start = LoadedPrior("first", build(seed=5).average, [{"data": "faces", "images": 7}])
    method = build(start=start)
    for name, value in start.network.state_dict().items():
        assert torch.equal(value, method.generator.state_dict()[name]), name
        assert torch.equal(value, method.average.state_dict()[name]), name
    fit(method, 1)
    assert [entry["images"] for entry in method.provenance()] == [7, BATCH]
    other = LoadedPrior("other", StyleGAN2(16, 8, 8, 3, 128, 16))
    with pytest.raises(WeightsError, match="other"):
        build(start=other)


def test_resuming_equals_not_stopping(tmp_path: Path) -> None:
    whole = build()
    fit(whole, 5)
    first = build()
    run = fit(first, 2)
    run.save_checkpoint(tmp_path / "half.ckpt")
    second = build(seed=1)
    fit(second, 5, tmp_path / "half.ckpt")
    assert second.images_seen == whole.images_seen
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_a_prior_does_not_super_resolve() -> None:
    with pytest.raises(ConfigError, match="prior"):
        build().super_resolve(torch.rand(1, 3, 4, 4))


def test_the_preview_is_64_faces_of_the_average() -> None:
    method = build()
    faces = method.preview()
    assert faces.shape == (64, 3, 16, 16)
    assert 0 <= float(faces.min()) <= float(faces.max()) <= 1
    assert torch.equal(faces, method.preview())


def test_penalties_are_due_by_the_steps_of_each_phase() -> None:
    method = build(r1_interval=3, path_interval=3)
    budget = Budget([Phase("first", 2 * BATCH, BATCH), Phase("second", 4 * BATCH, BATCH)])
    method.bind(TrainingContext(seed=2020, budget=budget, train_images=100))
    real, due = method.losses_of.r1, list[int]()

    def noted(*args: Any) -> Tensor:
        due.append(method.images_seen // BATCH)
        return real(*args)

    method.losses_of.r1 = noted  # type: ignore[method-assign]
    fit(method, 6)
    assert due == [0, 2, 5]
