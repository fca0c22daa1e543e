"""The synthesis written out for a search: autograd's images and gradients, and when it steps aside."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from facesr_bench.errors import ConfigError
from facesr_bench.methods.pulse import PULSE
from facesr_bench.nets.stylegan2.frozen_synthesis import FrozenSynthesis
from facesr_bench.nets.stylegan2.synthesis import Synthesis
from methods.pulse_priors import stylegan1_prior, stylegan2_prior

SAMPLES = 3


def pulse(**arguments: Any) -> PULSE:
    """Biases and noise of a size that matters, which those of a fresh network are not."""
    prior = arguments.pop("prior", None) or stylegan2_prior()
    generator = torch.Generator().manual_seed(1)
    for name, value in prior.network.named_parameters():
        if name.endswith(".bias") and ".affine." not in name:
            value.data.normal_(generator=generator)
    return PULSE(prior=prior, steps=2, latent_map="none", **arguments).eval()


def inputs(method: PULSE) -> tuple[Tensor, list[Tensor]]:
    """Codes, and maps of every kind: one each and one for all, searched and not, drawn and zero."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(SAMPLES, 8, 16, generator=generator).requires_grad_()
    noise = [
        torch.randn(1 if index in (1, 4) else SAMPLES, 1, *shape, generator=generator)
        for index, shape in enumerate(method.space.noise_shapes)
    ]
    noise[-1] = torch.zeros(1, 1, 32, 32)
    for index in (0, 1, 2, 3):
        noise[index].requires_grad_()
    return codes, noise


def pulled(method: PULSE, synthesis: Callable[..., Tensor]) -> list[Tensor]:
    """The images, and the gradients of all that asks for one."""
    codes, noise = inputs(method)
    images = synthesis(codes, noise)
    weights = torch.randn(images.shape, generator=torch.Generator().manual_seed(2))
    wanted = [codes, *(each for each in noise if each.requires_grad)]
    return [images.detach(), *torch.autograd.grad((images * weights).sum(), wanted)]


def test_images_and_gradients_are_those_of_autograd() -> None:
    method = pulse()
    assert isinstance(method.synthesis.forward, FrozenSynthesis)
    ours = pulled(method, method.synthesis)
    theirs = pulled(method, lambda *given: Synthesis.forward(method.synthesis, *given))  # type: ignore[arg-type, call-overload]
    assert len(ours) == len(theirs) == 6
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=0, atol=3e-6 * other.abs().max().item())


def test_it_keeps_little() -> None:
    """Each layer's output, once; autograd keeps six tensors of that size or more."""
    method = pulse()
    node = method.synthesis(*inputs(method)).grad_fn
    kept = {trace.out.data_ptr() for traces in node.traces for trace in traces}
    read = [trace.x for traces in node.traces for trace in traces]
    assert len(kept) == 7 and all(x.data_ptr() in kept for x in read[1:])
    with torch.no_grad():
        assert method.synthesis(*inputs(method)).grad_fn is None


def test_it_goes_back_once_and_not_twice() -> None:
    method = pulse()
    codes, noise = inputs(method)
    images = method.synthesis(codes, noise)
    with pytest.raises(RuntimeError, match="no gradients of gradients"):
        torch.autograd.grad(images.sum(), codes, create_graph=True)
    images.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="goes back once"):
        images.sum().backward()


def test_what_it_cannot_do_the_synthesis_does_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    method = pulse()
    calls: list[int] = []
    real = Synthesis.forward
    monkeypatch.setattr(Synthesis, "forward", lambda *given: (calls.append(1), real(*given))[1])
    codes, noise = inputs(method)
    method.synthesis(codes, noise)
    method.synthesis(codes, "const")
    assert not calls
    image, features = method.synthesis(codes, noise, True)
    assert image.shape == (SAMPLES, 3, 32, 32) and sorted(features) == [4, 8, 16, 32]
    assert method.synthesis(codes, noise, stop_at=8).shape == (SAMPLES, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        method.synthesis(codes, noise)
    method.synthesis.b8.conv0.bias.requires_grad_(True)
    method.synthesis(codes, noise).sum().backward()
    assert method.synthesis.b8.conv0.bias.grad is not None
    assert len(calls) == 4
    with pytest.raises(ConfigError, match="takes codes"):
        method.synthesis(codes[:, :5], noise)


def test_wrong_noise_is_still_told() -> None:
    method = pulse()
    codes, noise = inputs(method)
    with pytest.raises(ConfigError, match="takes 7 noise maps"):
        method.synthesis(codes, noise[:3])


def test_who_does_without() -> None:
    for method in (pulse(channels_last=False), pulse(prior=stylegan1_prior())):
        assert not isinstance(method.synthesis.forward, FrozenSynthesis)
