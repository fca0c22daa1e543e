"""Scoring images without a model: two folders, or a finished run again."""
