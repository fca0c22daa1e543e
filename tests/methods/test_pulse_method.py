"""PULSE in the suite: sizes, its Gaussian fit, folded weights, cost, memory, refusals."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from facesr_bench import cost
from facesr_bench.cost import count_parameters, measure_cost
from facesr_bench.errors import ConfigError, WeightsError
from facesr_bench.methods.pulse import PULSE, gaussian_fit, memory, module
from facesr_bench.methods.pulse.latent_map import Unactivate
from facesr_bench.priors import LoadedPrior
from methods.pulse_priors import stylegan1_prior, stylegan2_prior


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path))
    return tmp_path / "pulse"


def pulse(prior: LoadedPrior | None = None, **arguments: Any) -> PULSE:
    defaults: dict[str, Any] = {"steps": 3, "latent_map": "none"}
    return PULSE(prior=prior or stylegan2_prior(), **(defaults | arguments)).eval()


# -- the Gaussian fit -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prior", [stylegan1_prior, stylegan2_prior], ids=["stylegan1", "stylegan2"]
)
def test_the_fit_is_of_the_codes_before_the_activation(prior: Any) -> None:
    mean, std = gaussian_fit.compute_fit(prior(), 25_000)
    network = prior().network
    z = torch.randn(25_000, 16, generator=torch.Generator().manual_seed(0))
    names = sorted(n for n, _ in network.mapping.named_children())
    codes = network.mapping(z).double()
    gain = 1 if prior is stylegan1_prior else 2**0.5
    before = torch.where(codes < 0, 5 * codes, codes) / gain
    assert names, "a mapping has layers"
    torch.testing.assert_close(mean.double(), before.mean(0), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(std.double(), before.std(0), rtol=1e-4, atol=1e-6)


def test_the_fit_is_computed_once_per_mapping(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = gaussian_fit.compute_fit
    monkeypatch.setattr(gaussian_fit, "compute_fit", lambda p, n: (calls.append(n), real(p, n))[1])
    first, _ = gaussian_fit.gaussian_fit(stylegan2_prior(), 1000)
    again, _ = gaussian_fit.gaussian_fit(stylegan2_prior(), 1000)
    assert calls == [1000] and all(map(torch.equal, first, again))
    changed = stylegan2_prior()
    changed.network.mapping.fc0.bias.data += 1e-3  # type: ignore[union-attr]
    gaussian_fit.gaussian_fit(changed, 1000)
    gaussian_fit.gaussian_fit(stylegan2_prior(), 1001)
    assert calls == [1000, 1000, 1001]
    for file in cache.glob("*.safetensors"):
        file.write_bytes(b"half")
    repaired, _ = gaussian_fit.gaussian_fit(stylegan2_prior(), 1000)
    assert len(calls) == 4 and all(map(torch.equal, first, repaired))
    assert not [p for p in cache.iterdir() if p.suffix not in (".safetensors", ".lock")]


def test_a_cache_that_cannot_be_written_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path / "file"))
    fit, _ = gaussian_fit.gaussian_fit(stylegan2_prior(), 1000)
    assert all(map(torch.equal, fit, gaussian_fit.compute_fit(stylegan2_prior(), 1000)))


def test_a_published_fit_of_another_mapping_is_refused() -> None:
    prior = stylegan1_prior()
    mean, std = gaussian_fit.compute_fit(prior, 20_000)
    taken = gaussian_fit._checked(mean, std, prior)
    assert taken[0] is mean and taken[1] is std
    with pytest.raises(WeightsError, match="does not belong to the mapping"):
        gaussian_fit._checked(mean + std, std, prior)


# -- folded weights -------------------------------------------------------------------------------


def test_folded_constants_change_no_image() -> None:
    method, fresh = pulse(), stylegan2_prior()
    codes = torch.randn(2, 8, 16, generator=torch.Generator().manual_seed(0))
    start = method.start(["a", "b"], torch.device("cpu"))
    assert len(method._folded) == 11  # seven convolutions, four colours
    torch.testing.assert_close(
        method.synthesis(codes, start.noise),
        fresh.network.synthesis(codes, start.noise),
        rtol=1e-4,
        atol=1e-5,
    )
    assert method.synthesis.state_dict().keys() == fresh.network.synthesis.state_dict().keys()


def test_a_fine_tuned_prior_learns_and_its_constants_follow() -> None:
    """Gradients reach the prior's own weights; afterwards, and after a load, images are of these."""
    method, fresh = pulse(), stylegan2_prior()
    affine = [p for n, p in method.synthesis.named_parameters() if ".affine." in n]
    codes = torch.randn(1, 8, 16, generator=torch.Generator().manual_seed(0))
    then = {name: value.clone() for name, value in method.state_dict().items()}
    before = method.synthesis(codes, "const")
    for parameter in affine:
        parameter.requires_grad_(True)
    method.synthesis(codes, "const").square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in affine)
    for parameter in affine:
        parameter.requires_grad_(False)
        parameter.data.add_(0.1)
    assert torch.equal(method.synthesis(codes, "const"), before)  # nobody has told yet
    method.prior_changed()
    fresh.network.synthesis.load_state_dict(method.synthesis.state_dict())
    after = method.synthesis(codes, "const")
    torch.testing.assert_close(after, fresh.network.synthesis(codes, "const"), rtol=1e-4, atol=1e-5)
    assert (after - before).abs().max() > 1e-2
    method.load_state_dict(then)
    assert torch.equal(method.synthesis(codes, "const"), before)


# -- what the harness asks ------------------------------------------------------------------------


def test_cost_counts_every_forward_and_every_backward_that_is_needed() -> None:
    """Frozen weights: a backward is as dear as a forward; the last image needs none."""
    method = pulse(stylegan1_prior(), loss="100*L2", noise_type="zero")
    start = method.start(["a"], torch.device("cpu"))
    with FlopCounterMode(display=False) as counter:
        method.synthesis(start.latent, start.noise)
    forward = counter.get_total_flops()
    lr = torch.rand(2, 3, 8, 8)
    found = measure_cost(method, lr, seconds=0.1)
    reducing = 2 * 3 * (8 * 32 * 32 + 8 * 32 * 8)  # rows, then columns
    assert found.flops == pytest.approx(5 * (forward + reducing), rel=0.02)
    assert (
        found.params
        == count_parameters(method)
        == sum(p.numel() for p in method.synthesis.parameters())
    )
    assert found.batch == 2 and found.seconds_per_image > 0


def test_the_batch_follows_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    method = pulse()
    lr = torch.rand(1, 3, 8, 8)
    gib = 2**30
    monkeypatch.setattr(memory, "peak_memory", lambda call, device: (call(), (gib, "rss"))[1])
    for free, expected in ((100 * gib, 16), (9 * gib, 4), (gib // 8, 1), (None, 4)):
        monkeypatch.setattr(memory, "free_memory", lambda device, free=free: free)
        assert method.test_batch_size(lr, 32) == expected
    assert pulse(batch_size=3).test_batch_size(lr, 32) == 3
    monkeypatch.setattr(module, "_MOST_PIXELS_CPU", 2 * 32**2)  # large images: one by one
    monkeypatch.setattr(memory, "free_memory", lambda device: 100 * gib)
    assert method.test_batch_size(lr, 32) == 2


def test_the_batch_leaves_room_for_the_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    gib = 2**30
    monkeypatch.setattr(memory, "peak_memory", lambda call, device: (gib, "rss"))
    monkeypatch.setattr(memory, "free_memory", lambda device: 16 * gib)
    method, lr = pulse(), torch.rand(1, 3, 8, 8)
    assert method.test_batch_size(lr, 32) == 8
    method.trainer = SimpleNamespace(num_devices=4)  # type: ignore[assignment]
    assert method.test_batch_size(lr, 32) == 2


def test_what_a_process_sets_up_once_is_no_images_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the batch nor the recorded peak sees the first call."""
    calls: list[int] = []

    def peak(call: Callable[[], object], device: torch.device) -> tuple[int, str]:
        earlier = len(calls)
        call()
        return (2**20 if earlier else 2**40), "rss"

    monkeypatch.setattr(memory, "peak_memory", peak)
    monkeypatch.setattr(memory, "free_memory", lambda device: 2**25)
    assert memory.fitting_batch(lambda: calls.append(1), torch.device("cpu"), 16) == 16
    assert len(calls) == 2

    calls.clear()
    method = pulse(steps=1)
    real = method.super_resolve
    monkeypatch.setattr(method, "super_resolve", lambda lr: (calls.append(len(lr)), real(lr))[1])
    monkeypatch.setattr(cost, "peak_memory", peak)
    measured = cost.measure_cost(method, torch.rand(2, 3, 8, 8), seconds=0.0)
    assert measured.peak_memory_bytes == 2**20
    assert calls[:2] == [1, 2]


def test_checking_sizes_builds_what_the_run_will_use() -> None:
    """Or a fingerprint would differ before and after the first image."""
    method = pulse(hr_size=16)
    method.check_sizes((4, 4), (16, 16))
    before = sorted(name for name, _ in method.named_buffers())
    method.super_resolve(torch.rand(1, 3, 4, 4))
    assert sorted(name for name, _ in method.named_buffers()) == before


def test_this_machine_says_how_much_memory_is_free() -> None:
    free = memory.free_memory(torch.device("cpu"))
    assert free is None or 2**20 < free < 2**50


def test_provenance_is_the_priors() -> None:
    prior = stylegan2_prior()
    entry = {"file": "p.safetensors", "sha256": "ab", "role": "prior"}
    trained = {"data": "faces", "images": 12}
    method = pulse(LoadedPrior("own", prior.network, [trained], [entry]))
    assert method.provenance() == [trained]
    assert method.weight_files == [entry]
    assert not method.trainable


def test_sizes_that_cannot_work_are_refused() -> None:
    method = pulse(hr_size=16)
    method.check_sizes((4, 4), (16, 16))
    for lr, hr, why in (
        ((4, 4), (32, 32), "method.hr_size=32"),
        ((8, 8), (64, 64), "from which none of 64"),
        ((5, 5), (16, 16), "no multiple of the 5"),
        ((4, 8), (16, 32), "square"),
    ):
        with pytest.raises(ConfigError, match=why):
            method.check_sizes(lr, hr)
    with pytest.raises(ConfigError, match="from which none of 64"):
        pulse(hr_size=64)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"opt": "lbfgs"}, "choose adam"),
        ({"schedule": "cosine"}, "choose linear1cycledrop"),
        ({"noise_type": "normal"}, "choose zero"),
        ({"latent_map": "w"}, "choose gaussian_fit"),
        ({"return_image": "first"}, "choose last"),
        ({"opt": None}, "choose adam"),
        ({"steps": 0}, "at least 1"),
        ({"steps": 3.0}, "steps=3.0 .* whole number"),
        ({"steps": True}, "whole number"),
        ({"duplicates": 0}, "at least 1"),
        ({"duplicates": "2"}, "whole number"),
        ({"fit_samples": 1}, "at least 2"),
        ({"fit_samples": 1e6}, "whole number"),
        ({"batch_size": 0}, "null chooses by memory"),
        ({"batch_size": True}, "null chooses by memory"),
        ({"hr_size": 0}, "null takes the prior's own"),
        ({"hr_size": 16.0}, "null takes the prior's own"),
        ({"seed": None}, "seed=None .* whole number;?"),
        ({"seed": 1.5}, "whole number"),
        ({"lr": 0}, "finite number above 0"),
        ({"lr": float("inf")}, "finite number above 0"),
        ({"lr": True}, "finite number above 0"),
        ({"lr": "0.4"}, "finite number above 0"),
        ({"eps": -1e-3}, "0 or above"),
        ({"eps": float("nan")}, "0 or above"),
        ({"sphere": 1}, "true or false"),
        ({"tile_latent": "no"}, "true or false"),
        ({"bf16": None}, "true or false"),
        ({"channels_last": 0}, "true or false"),
        ({"compile": "true"}, "true or false"),
        ({"bad_noise_layers": [17]}, "are 0 to 6"),
        ({"bad_noise_layers": [-1]}, "are 0 to 6"),
        ({"bad_noise_layers": 7}, "are 0 to 6"),
        ({"bad_noise_layers": [True]}, "whole numbers in a list"),
        ({"bad_noise_layers": True}, "whole numbers in a list"),
        ({"bad_noise_layers": [1.0]}, "whole numbers in a list"),
        ({"bad_noise_layers": "12"}, "whole numbers in a list"),
        ({"trainable_noise_layers": -1}, "at least 0"),
        ({"trainable_noise_layers": 2.5}, "whole number"),
        ({"loss": 100}, "a text such as"),
        ({"loss": "100*MSE"}, "names L2, L1, GEOCROSS"),
    ],
    ids=str,
)
def test_arguments_that_cannot_work_are_refused(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        pulse(**arguments)


def test_arguments_on_the_border_are_taken() -> None:
    method = pulse(bad_noise_layers=3, seed=-7, eps=0, lr=1, trainable_noise_layers=0, steps=1)
    assert method.space.zeroed == {3} and method.recipe.loss.eps == 0
    assert pulse(bad_noise_layers=[]).space.zeroed == frozenset()
    assert pulse().space.zeroed == {6} and pulse().hr_size == 32


def test_weights_are_refused_with_the_way_to_choose_a_prior() -> None:
    with pytest.raises(WeightsError, match=r"prior@method\.prior=file"):
        pulse().adapt_state_dict({})


def test_inverse_slope_is_five() -> None:
    assert Unactivate(1.0)(torch.tensor([-1.0, 2.0])).tolist() == [-5.0, 2.0]
