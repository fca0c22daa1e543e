"""Fine-tuning on exemplars and on source faces restyled after them: the strategies of Table 3."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import Adam

from facesr_bench.adaptation.contract import Exemplars
from facesr_bench.adaptation.settings import FineTuning
from facesr_bench.adaptation.stylist import Style, Stylist
from facesr_bench.adaptation.task import Task
from facesr_bench.errors import TrainingError
from facesr_bench.method import Method
from facesr_bench.seeding import torch_rng


def fine_tune(
    method: Method,
    task: Task,
    exemplars: Exemplars,
    stylist: Stylist | None,
    settings: FineTuning,
    seed: int,
    done: Callable[[], None],
) -> dict[str, float]:
    """Adam on the task's parameters; the exemplars' loss and that of restyled faces weigh the same.

    The method stays in eval mode: statistics of batches of one exemplar would be worth nothing.

    Args:
        method: changed in place.
        task: what changes, and its loss.
        exemplars: on the method's device.
        stylist: restyles source faces; None for the exemplars alone.
        settings: lengths and rate.
        seed: of all draws.
        done: called after each step.

    Returns:
        The first and the last loss, for the record.

    Raises:
        TrainingError: a loss that is not finite.
    """
    method.eval()
    losses: list[Tensor] = []
    with only(method, task, exemplars) as parameters, torch.enable_grad():
        pairs = task.exemplar_inputs(exemplars)
        adam = Adam(parameters, lr=settings.lr)
        styles = None if stylist is None else stylist.style(exemplars.hr)
        for step in range(settings.steps):
            rows = _rows(len(exemplars), settings.batch, seed, step).to(exemplars.hr.device)
            halves = [task.loss(pairs[rows], exemplars.hr[rows])]
            if stylist is not None and styles is not None:
                halves.append(_restyled_loss(task, stylist, styles, settings.batch, seed, step))
            loss = torch.stack(halves).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.detach())
            done()
    found = torch.stack([losses[0], losses[-1]]).tolist()
    if not all(map(torch.isfinite, torch.tensor(found))):
        raise TrainingError(
            f"Fine-tuning {type(method).__name__} ended with a loss that is not finite; lower "
            "adaptation.fine_tuning.lr."
        )
    return {"loss_first": found[0], "loss_last": found[1]}


@contextmanager
def only(method: Method, task: Task, exemplars: Exemplars) -> Iterator[list[nn.Parameter]]:
    """Inside, the task's parameters take gradients and no others of the method do."""
    before = {parameter: parameter.requires_grad for parameter in method.parameters()}
    method.requires_grad_(False)
    chosen = list(task.parameters(exemplars).values())
    for parameter in chosen:
        parameter.requires_grad_(True)
    try:
        yield chosen
    finally:
        for parameter in chosen:
            parameter.requires_grad_(False)
        for parameter, was in before.items():
            parameter.requires_grad_(was)
            parameter.grad = None


def _rows(pairs: int, most: int, seed: int, step: int) -> Tensor:
    """Which exemplars a step sees: all, or a draw where they are more than a batch."""
    return torch.randperm(pairs, generator=torch_rng(seed, "exemplar-rows", step))[:most]


def _restyled_loss(
    task: Task, stylist: Stylist, styles: Style, number: int, seed: int, step: int
) -> Tensor:
    """Source faces in the style of the exemplars, each of the next one in turn."""
    content, made_of = task.content(step, number)
    rows = (torch.arange(number) + step * number) % len(styles.mean)
    wanted = Style(styles.mean[rows], styles.spread[rows])
    if stylist.code is not None:
        wanted = _mined(task, stylist, content, made_of, wanted, seed, step)
    with torch.no_grad():
        faces = stylist.restyled(content, wanted)
        inputs = task.inputs(faces, made_of, step)
    return task.loss(inputs, faces)


def _mined(
    task: Task,
    stylist: Stylist,
    content: Tensor,
    made_of: Tensor | None,
    style: Style,
    seed: int,
    step: int,
) -> Style:
    """ASM: a style near the exemplar's, moved to where the task does worse (our reading of RAIN).

    The code is drawn from what the autoencoder believes of the exemplar's style, then moved along the
    sign of the task loss's gradient.
    """
    code_net, settings = stylist.code, stylist.settings
    if code_net is None:
        return style
    with torch.no_grad():
        mean, log_variance = code_net.encode(style)
        noise = torch.randn(mean.shape, generator=torch_rng(seed, "style-code", step)).to(mean)
        code = mean + noise * (log_variance / 2).exp()
    for _ in range(settings.moves):
        code.requires_grad_(True)
        faces = stylist.restyled(content, code_net.decode(code))
        loss = task.loss(task.draft(faces, made_of), faces)
        (gradient,) = torch.autograd.grad(loss, code)
        code = (code + settings.move * gradient.sign()).detach()
    with torch.no_grad():
        return code_net.decode(code)
