"""Hydra configuration: what runs. Hydra finds the YAML files through this package."""
