"""Generative priors as methods get them: a frozen generator, and where it comes from.

A method that stands on a prior takes a :class:`~facesr_bench.priors.loaded.LoadedPrior`; its YAML
chooses one by ``defaults: - /prior@prior: synthface64``, a user another one by
``prior@method.prior=stylegan2_ffhq_ada``. Every file of ``conf/prior/`` is one prior.
"""

from facesr_bench.priors.loaded import LoadedPrior

__all__ = ["LoadedPrior"]
