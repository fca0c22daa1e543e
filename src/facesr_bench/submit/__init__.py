"""From a finished run to what a pull request to a folder of results needs."""
