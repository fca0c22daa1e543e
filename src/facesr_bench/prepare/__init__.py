"""From what the owner of a data set hands out to a folder every method can run on."""
