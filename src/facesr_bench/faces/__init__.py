"""Where a face is in an image, cutting it out, and the networks that say whose it is."""
