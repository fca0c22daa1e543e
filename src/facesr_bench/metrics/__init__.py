"""Metrics: one file per family, rows kept per image, reduced once (see ``base`` and ``suite``)."""
