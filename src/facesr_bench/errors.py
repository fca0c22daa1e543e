"""Errors whose message is a sentence: what is wrong, where, and what to do about it."""


class FaceSRError(Exception):
    """Base of every error this project raises on purpose; the command line prints it as it is.

    Anything else that escapes a run is a bug of ours (or of a plug-in) and is reported as such.
    """

    exit_code = 1


class UsageError(FaceSRError):
    """The command line does not say what to do (no method, no data, an unknown command)."""

    exit_code = 2


class ConfigError(FaceSRError):
    """An argument, or a combination of arguments, that cannot work."""


class DataError(FaceSRError):
    """Images or annotations that are missing, damaged or of the wrong size."""


class NotComputed(FaceSRError):
    """A metric that does not apply to these images (too few, no person known): the reason, no bug."""


class WeightsError(FaceSRError):
    """A weight file or checkpoint that is missing, damaged, unsafe or of another layout."""


class MissingRequirement(WeightsError):
    """Weights or a package that must be there before anything runs; collected by the pre-flight."""


class ImageError(FaceSRError):
    """A tensor that crossed a method's border and is not float32 (B, 3, H, W) in [0, 1]."""


class TrainingError(FaceSRError):
    """Training that cannot go on (a loss that is not finite, a budget of nothing)."""


class WorkerDied(FaceSRError):
    """A process that loads training images is gone; the last checkpoint holds the state."""


class DiskFull(FaceSRError, OSError):
    """A file that could not be written for want of space; what was there before is untouched."""


class RunInterrupted(FaceSRError):
    """Ctrl-C or SIGTERM: the state is saved and the message says how to go on."""

    exit_code = 130


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its type when it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
