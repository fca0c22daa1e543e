"""Steps and losses of fine-tuning and of its style network, beside the same written out by hand."""

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import mse_loss

from adaptation.test_fine_tuning import SMALL, Enlarger, Searcher, nothing, source
from facesr_bench.adaptation.fine_tuning import _restyled_loss, fine_tune
from facesr_bench.adaptation.prior_task import PriorFaces
from facesr_bench.adaptation.settings import FineTuning, StyleNet
from facesr_bench.adaptation.stylist import Style, Stylist, style_of
from facesr_bench.adaptation.tasks import Reconstruction, task_of
from facesr_bench.priors.statistics import code_statistics
from methods.dap_fsr_models import exemplars


def test_a_step_descends_the_gradient_of_its_own_loss_alone() -> None:
    method, other, shown = Enlarger(), Enlarger().eval(), exemplars()
    fine_tune(
        method, task_of(method, source(), 0, 3), shown, None, FineTuning(4, 1, 1e-2), 0, nothing
    )
    adam = torch.optim.Adam(other.net.parameters(), lr=1e-2)
    for _ in range(4):
        loss = mse_loss(other.super_resolve(shown.lr), shown.hr)
        adam.zero_grad()
        loss.backward()
        adam.step()
    for name, value in other.state_dict().items():
        torch.testing.assert_close(method.state_dict()[name], value, rtol=0, atol=1e-6)


def test_source_faces_take_the_style_of_one_exemplar_after_the_other() -> None:
    taken: list[list[float]] = []

    class Listening(Stylist):
        def restyled(self, content: Tensor, style: Style) -> Tensor:
            taken.append(style.mean[:, 0].tolist())
            return super().restyled(content, style)

    torch.manual_seed(0)
    method = Enlarger().eval()
    task = Reconstruction(method, source())
    task.parameters(exemplars())
    styles = Style(torch.arange(3.0)[:, None].expand(3, 128), torch.ones(3, 128))
    for step in range(3):
        _restyled_loss(task, Listening(SMALL, coded=False), styles, 2, 0, step)
    assert taken == [[0, 1], [2, 0], [1, 2]]


def test_a_styles_spread_is_that_of_the_channel_itself() -> None:
    """Not of what it might be a sample of; at four places the two are 15 % apart."""
    features = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    style = style_of(features)
    torch.testing.assert_close(style.mean, features.mean((2, 3)))
    squared = (features - features.mean((2, 3), keepdim=True)).square().mean((2, 3))
    torch.testing.assert_close(style.spread, squared.sqrt())


def test_the_style_code_is_held_to_a_normal_one_by_its_divergence() -> None:
    torch.manual_seed(0)
    only_kl = StyleNet(features="vgg19_random", content=0, style=0, kl=3, reconstruction=0)
    stylist = Stylist(only_kl, coded=True)
    faces = source().hr(0, 4)
    assert stylist.code is not None
    with torch.no_grad():
        stylist.code.log_variance.bias.fill_(0.7)
        mean, log_variance = stylist.code.encode(stylist.style(faces[2:]))
        wanted = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).mean()
        loss = stylist.loss(faces[:2], faces[2:], torch.randn(2, 128))
    torch.testing.assert_close(loss, 3 * wanted)


def test_a_code_that_is_looked_for_is_only_kept_from_becoming_longer_than_codes_are() -> None:
    """One step of Adam moves every offset by its rate, far from that length, and there it stays."""
    method = Searcher()
    network = method.prior.network
    mean, spread = code_statistics(network, 10_000)
    with torch.no_grad():
        (codes,) = PriorFaces(method, method.prior, 0, search=1).exemplar_inputs(exemplars(1))
    offsets = (codes - mean) / spread
    moved = offsets.abs() > 1e-3  # a code that no pixel depends on does not move
    assert moved.any()
    torch.testing.assert_close(
        offsets[moved].abs(), torch.full_like(offsets[moved], 0.1), rtol=0.02, atol=0
    )
