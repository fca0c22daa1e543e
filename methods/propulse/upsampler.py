"""The pipeline of the paper's Fig. 2: encoders, what fills the codes they lack, and the generator."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from facesr_bench.priors.loaded import LoadedPrior

from .encoders import BaseEncoder, Heads, ScaleEncoder, head_layout
from .generator import DeeplySupervisedGenerator
from .stages import Stage
from .variants import Switches


class ProgressiveUpsampler(nn.Module):
    """G_ds, E_W and E_W+ under the paper's names; either encoder is None where a variant lacks it.

    Args:
        prior: frozen.
        switches: which networks exist.
        n_feats: channels of the encoders.
        hidden: channels inside their tails.
        heads: layout of E_W+.
        chain: its heads continue each other's features.
        init_bias_w_avg: encoders start at the prior's average code.
    """

    w_avg: Tensor

    def __init__(
        self,
        prior: LoadedPrior,
        switches: Switches,
        n_feats: int,
        hidden: int,
        heads: Heads,
        *,
        chain: bool,
        init_bias_w_avg: bool,
    ) -> None:
        super().__init__()
        self.switches = switches
        self.G_ds = DeeplySupervisedGenerator(prior, branches=switches.trains("branches"))
        w_avg = self.G_ds.prior.mapping.w_avg.clone()
        self.register_buffer("w_avg", w_avg, persistent=False)
        start, w_dim = w_avg if init_bias_w_avg else None, len(w_avg)
        self.E_W: BaseEncoder | None = None
        self.E_Wplus: ScaleEncoder | None = None
        if switches.trains("base"):
            self.E_W = BaseEncoder(n_feats, hidden, w_dim, start)
        if switches.trains("scales"):
            layout = head_layout(prior.resolution, heads)
            self.E_Wplus = ScaleEncoder(n_feats, hidden, w_dim, layout, start, chain=chain)
            if switches.encoder == "wplus_direct":
                self.E_Wplus.trained_codes.fill_(self.E_Wplus.num_codes)

    @property
    def trained_codes(self) -> int:
        """How many codes are E_W+'s by now."""
        return 0 if self.E_Wplus is None else int(self.E_Wplus.trained_codes)

    @property
    def w_dim(self) -> int:
        """Length of a code."""
        return len(self.w_avg)

    def codes(self, lr: Tensor, made: int | None = None) -> Tensor:
        """Codes of LR faces: C(w+, R(w)) of Eq. 10.

        Args:
            lr: (N, 3, 16, 16) in [-1, 1].
            made: how many are E_W+'s, whole heads; None for as many as were trained.

        Returns:
            (N, L, w_dim). Where E_W+ makes some, the others bring no gradient.
        """
        made = self.trained_codes if made is None else made
        if made == 0 or self.E_Wplus is None:
            return self.repeated(self._base(lr))
        own: Tensor = self.E_Wplus(lr, made)
        missing = self.G_ds.num_codes - made
        if missing == 0:
            return own
        with torch.no_grad():
            base = self._base(lr)
        return torch.cat([own, base[:, None].expand(-1, missing, -1)], dim=1)

    def repeated(self, w: Tensor) -> Tensor:
        """(N, w_dim) to (N, L, w_dim): R of Eq. 4."""
        return w[:, None].expand(-1, self.G_ds.num_codes, -1)

    def _base(self, lr: Tensor) -> Tensor:
        if self.E_W is None:
            return self.w_avg.expand(len(lr), -1)
        w: Tensor = self.E_W(lr)
        return w

    def enter(self, stage: Stage) -> None:
        """Open to gradients what this stage trains, close everything else."""
        self.G_ds.branches.requires_grad_(stage.part == "branches" or self.switches.e2e)
        if self.E_W is not None:
            self.E_W.requires_grad_(stage.part == "base")
        if self.E_Wplus is None:
            return
        active = [head.side for head in self.E_Wplus.layout if head.side <= stage.side]
        if self.switches.stage_trainable == "new_only" and not stage.first:
            self.E_Wplus.train_only([stage.side], stem=False)
        else:
            self.E_Wplus.train_only(active, stem=stage.part == "scales")
        if stage.part == "scales":
            self.E_Wplus.trained_codes.fill_(stage.codes)

    def players(self) -> dict[str, nn.Module]:
        """What has an optimiser of its own, by the paper's names."""
        every = {"G_ds": self.G_ds, "E_W": self.E_W, "E_W+": self.E_Wplus}
        return {
            name: network
            for name, network in every.items()
            if network is not None and next(network.parameters(), None) is not None
        }

    def used_for(self, side: int) -> Sequence[nn.Module]:
        """What runs to make the images of one side; E_W only while it fills codes."""
        made = self.trained_codes
        encoders: list[nn.Module | None] = [
            self.E_W if made < self.G_ds.num_codes else None,
            self.E_Wplus if made else None,
        ]
        return [*(e for e in encoders if e is not None), *self.G_ds.used_for(side)]
