"""DAMMA, Algorithm 1: by turns learn how to mix codes, and let the decoder follow.

Mixing is to make random faces look like those of the exemplar's domain; the decoder's affine maps are
then trained on such faces.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Adam

from facesr_bench.errors import ConfigError
from facesr_bench.seeding import torch_rng

from .latent import mix
from .losses import (
    Features,
    Norm,
    Statistics,
    chosen,
    distance,
    feature_distance,
    statistics,
    style_distance,
)
from .networks import DAPNetworks
from .variants import HARD_LAYERS, Recipe

F = Callable[[Tensor], Features]
"""Images in [-1, 1] to the features losses compare."""


@dataclass
class Trace:
    """What happened, by inner iteration.

    Attributes:
        mixing: L_c + L_s (Eq. 7) before the step on alpha; empty where alpha is not learned.
        exemplar: the loss of the exemplar's own pair before each step on phi.
        alpha: after the last step.
    """

    mixing: list[Tensor] = field(default_factory=list)
    exemplar: list[Tensor] = field(default_factory=list)
    alpha: Tensor | None = None


class Damma:
    """One adaptation.

    E is frozen, so the exemplars' codes w^t are computed once, not in every outer iteration.

    Args:
        nets: changed in place.
        features: F.
        recipe: lengths, rates and readings.
        mapped: number and generator to mapped codes (number, w_dim), for
            ``source_codes="mapping"``.
        lr: the exemplars' LR (K, 3, h, w) in [-1, 1].
        hr: their HR (K, 3, S, S), the same.
        seed: of all draws.
        norm: see :mod:`.losses`.
        degrade: HR in [0, 1] and the number of the call to LR, the same: how synthetic pairs get their
            LR; None reduces them by bicubic, aligned.

    Attributes:
        alpha: (l,), the mixing weights of the outer iteration under way.
        phi: the tensors that change, by name; inside of :meth:`run`.
        trace: see :class:`Trace`.
    """

    def __init__(
        self,
        nets: DAPNetworks,
        features: F,
        recipe: Recipe,
        mapped: Callable[[int, torch.Generator], Tensor] | None,
        lr: Tensor,
        hr: Tensor,
        seed: int,
        norm: Norm = "mse",
        degrade: Callable[[Tensor, int], Tensor] | None = None,
    ) -> None:
        if recipe.source_codes == "mapping" and mapped is None:
            raise ConfigError("DAP-FSR: source_codes=mapping needs the prior's mapping.")
        self.nets, self.features, self.recipe, self.norm = nets, features, recipe, norm
        self._mapped, self._seed = mapped, seed
        self._degrade, self._degraded = degrade, 0
        self._hr, self._lr_side = hr, lr.shape[-1]
        self._layers = nets.E.codes
        with torch.no_grad():
            seen = nets.reduced(hr, self._lr_side) if recipe.target_code == "hr" else lr
            training = nets.training
            nets.eval()
            self._lr_codes = nets.codes(lr)
            self._w_t = nets.codes(seen)
            nets.train(training)
            self._hr_features = features(hr)
        self._hr_style = statistics(self._hr_features)
        self.alpha = self._start()
        self.phi: dict[str, nn.Parameter] = {}
        self.trace = Trace()

    def run(self, done: Callable[[], None] = lambda: None) -> Trace:
        """T outer iterations of n inner ones; ``done`` is called after each inner one."""
        recipe = self.recipe
        with self.nets.open(recipe.phi) as self.phi, torch.enable_grad():
            phi_adam = Adam(self.phi.values(), lr=recipe.phi_lr)
            for outer in range(recipe.outer):
                rows, w_t, w_s = self._draw(outer)
                # Algorithm 1 starts alpha anew each time, so its optimiser's memory goes too.
                self.alpha = self._start()
                alpha_adam = Adam([self.alpha], lr=recipe.alpha_lr)
                for _ in range(recipe.inner):
                    if recipe.learns_alpha:
                        self.alpha_step(alpha_adam, rows, w_t, w_s)
                    self.phi_step(phi_adam, rows, w_t, w_s)
                    done()
        self.trace.alpha = self.alpha.detach().clone()
        return self.trace

    # -- lines 2 to 4 of Algorithm 1 ---------------------------------------------------------------

    def _start(self) -> Tensor:
        """alpha_0, or configuration D's fixed choice: the last three layers are the target's."""
        layers = self._layers
        if self.recipe.adapt == "hard":
            source = torch.arange(layers, device=self._w_t.device) < layers - HARD_LAYERS
            return source.to(self._w_t.dtype)
        start = self._w_t.new_full((layers,), self.recipe.alpha_start)
        return start.requires_grad_(self.recipe.learns_alpha)

    def _draw(self, outer: int) -> tuple[Tensor, Tensor, Tensor]:
        """Which exemplar each of the batch is mixed with, its code, and a source code."""
        recipe, number = self.recipe, self.recipe.batch
        order = torch.randperm(len(self._w_t), generator=torch_rng(self._seed, "exemplars", outer))
        rows = order.repeat(-(-number // len(order)))[:number].to(self._w_t.device)
        rng = torch_rng(self._seed, "w_s", outer)
        if recipe.source_codes == "mapping" and self._mapped is not None:
            drawn = 1 if recipe.eps == "shared" else self._layers
            w = self._mapped(number * drawn, rng).to(self._w_t)
            w_s = w.view(number, drawn, -1).expand(-1, self._layers, -1)
        else:
            w_s = self.nets.rule.gaussian(number, self._layers, recipe.eps, rng)
        return rows, self._w_t[rows], w_s

    # -- line 6: Eqs. 7 to 9 -----------------------------------------------------------------------

    def alpha_step(self, adam: Adam, rows: Tensor, w_t: Tensor, w_s: Tensor) -> None:
        """Move alpha towards faces with the content of w^s and the style of the exemplar; G waits."""
        for parameter in self.phi.values():
            parameter.requires_grad_(False)
        loss = self.mixing_loss(w_t, w_s, chosen(self._hr_style, rows))
        adam.zero_grad()
        loss.backward()
        adam.step()
        with torch.no_grad():
            self.alpha.clamp_(0, 1)
        for parameter in self.phi.values():
            parameter.requires_grad_(True)
        self.trace.mixing.append(loss.detach())

    def mixing_loss(self, w_t: Tensor, w_s: Tensor, style: Statistics) -> Tensor:
        """L_c + L_s (Eq. 7) of this alpha, or of phi where the recipe says so."""
        with torch.no_grad():
            content = self.features(self.nets.images(w_s))
        mixed = self.features(self.nets.images(mix(w_t, w_s, self.alpha)))
        same_content = feature_distance(mixed, content, self.norm)
        return same_content + style_distance(statistics(mixed), style, self.norm)

    # -- line 8: Eq. 5 on pairs ---------------------------------------------------------------------

    def phi_step(self, adam: Adam, rows: Tensor, w_t: Tensor, w_s: Tensor) -> None:
        """Move phi so that pairs of the target's style are reconstructed; alpha waits."""
        recipe = self.recipe
        self.alpha.requires_grad_(False)
        if recipe.target == "style":
            loss = self.mixing_loss(w_t, w_s, chosen(self._hr_style, rows))
        else:
            halves = []
            if recipe.target in ("pairs", "exemplar"):
                halves.append(self._exemplar_loss(rows))
                self.trace.exemplar.append(halves[0].detach())
            if recipe.target in ("pairs", "synthetic"):
                halves.append(self._synthetic_loss(mix(w_t, w_s, self.alpha)))
            loss = torch.stack(halves).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        self.alpha.requires_grad_(recipe.learns_alpha)

    def _exemplar_loss(self, rows: Tensor) -> Tensor:
        """The real pairs of this outer iteration, each once."""
        used = rows[: min(len(self._hr), len(rows))]
        target = {name: x[used] for name, x in self._hr_features.items()}
        # The pair is LR and HR; the reading "exemplar" is G(w^t) against HR, whatever w^t is made of.
        codes = self._w_t if self.recipe.target == "exemplar" else self._lr_codes
        return self._reconstruction(codes[used], self._hr[used], target)

    def _synthetic_loss(self, w_m: Tensor) -> Tensor:
        """Pairs (DS(I^m), I^m) of G's own faces I^m = G(w^m), which take no gradient."""
        with torch.no_grad():
            made = self.nets.images(w_m)
            codes = self.nets.codes(self._lr_of(made))
            target = self.features(made)
        return self._reconstruction(codes, made, target)

    def _lr_of(self, made: Tensor) -> Tensor:
        """LR of synthetic faces in [-1, 1], as the protocol makes it."""
        if self._degrade is None:
            return self.nets.reduced(made, self._lr_side)
        lr = self._degrade(made.add(1).div(2).clamp(0, 1), self._degraded)
        self._degraded += 1
        return lr.to(made).mul(2).sub(1)

    def _reconstruction(self, codes: Tensor, truth: Tensor, target: Features) -> Tensor:
        """Eq. 5 of faces made of these codes."""
        images = self.nets.images(codes)
        seen = feature_distance(self.features(images), target, self.norm) if target else 0
        return distance(images, truth, self.norm) + seen
