"""HR to LR: how low-resolution faces are made, the same pixels for every method and machine."""
