"""Any network that spandrel knows, from its checkpoint alone."""

from .module import SpandrelNetwork

__all__ = ["SpandrelNetwork"]
