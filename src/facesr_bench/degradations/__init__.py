"""HR to LR: how low-resolution faces are made, the same pixels for every method and machine."""

import os

# albumentations asks a server for its newest version when it is imported; a run needs no network
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
