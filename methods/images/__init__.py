"""SR images that another system made, scored by the same harness."""

from .module import StoredImages

__all__ = ["StoredImages"]
