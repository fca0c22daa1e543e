"""Any folder of face images as a data set."""

from .reader import Folder
from .split import FolderSplit

__all__ = ["Folder", "FolderSplit"]
