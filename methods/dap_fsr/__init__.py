"""DAP-FSR: a domain-aware pyramid encoder into StyleGAN, adapted to a new domain by one exemplar."""

from .module import DAPFSR

__all__ = ["DAPFSR"]
