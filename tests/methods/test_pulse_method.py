"""PULSE in the suite: sizes, its Gaussian fit, folded weights, cost, memory, refusals."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

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


# -- what the harness asks ------------------------------------------------------------------------


def test_cost_counts_every_forward_and_every_backward_that_is_needed() -> None:
    """Frozen weights: a backward is as dear as a forward; the last image needs none."""
    method = pulse(stylegan1_prior(), loss="100*L2", noise_type="zero")
    start = method.start(["a"], torch.device("cpu"))
    with FlopCounterMode(display=False) as counter:
        method.synthesis(start.latent, start.noise)
    forward = counter.get_total_flops()
    lr = torch.rand(2, 3, 8, 8)
    cost = measure_cost(method, lr, seconds=0.1)
    reducing = 2 * 3 * (8 * 32 * 32 + 8 * 32 * 8)  # rows, then columns
    assert cost.flops == pytest.approx(5 * (forward + reducing), rel=0.02)
    assert (
        cost.params
        == count_parameters(method)
        == sum(p.numel() for p in method.synthesis.parameters())
    )
    assert cost.batch == 2 and cost.seconds_per_image > 0


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
        ({"steps": 0}, "at least 1"),
        ({"duplicates": 0}, "at least 1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"bad_noise_layers": [17]}, "are 0 to 6"),
        ({"trainable_noise_layers": -1}, "negative"),
        ({"loss": "100*MSE"}, "names L2, L1, GEOCROSS"),
    ],
    ids=str,
)
def test_arguments_that_cannot_work_are_refused(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        pulse(**arguments)


def test_weights_are_refused_with_the_way_to_choose_a_prior() -> None:
    with pytest.raises(WeightsError, match=r"prior@method\.prior=file"):
        pulse().adapt_state_dict({})


def test_inverse_slope_is_five() -> None:
    assert Unactivate(1.0)(torch.tensor([-1.0, 2.0])).tolist() == [-5.0, 2.0]
