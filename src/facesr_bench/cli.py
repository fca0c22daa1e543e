"""One front door. Nothing heavy is imported here: help and a typo must answer at once."""

import errno
import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import pairwise

from facesr_bench.errors import FaceSRError, UsageError, first_line

COMMANDS = {
    "adapt": ("facesr_bench.adaptation.__main__", "adapt to another domain by few pairs, and test"),
    "check": ("facesr_bench.check.__main__", "does a method keep what the harness relies on?"),
    "doctor": (
        "facesr_bench.doctor.__main__",
        "versions, devices, what is missing: for bug reports",
    ),
    "export": ("facesr_bench.export", "write a run's inference weights as safetensors"),
    "cycles": ("facesr_bench.cycles", "write and score what a trained cycle makes of faces"),
    "evaluate": ("facesr_bench.evaluate.__main__", "score two folders of images, or a run again"),
    "leaderboard": ("facesr_bench.leaderboard.__main__", "print a table of every finished run"),
    "prepare": ("facesr_bench.prepare.__main__", "a data set's files to a folder runs can use"),
    "prior": ("facesr_bench.priors.__main__", "face generators: list, ship a trained one, examine"),
    "reference": ("facesr_bench.reference", "save or import the statistics distances compare with"),
    "submit": ("facesr_bench.submit.__main__", "check a run and pack it for a folder of results"),
    "tsne": ("facesr_bench.feature_map.__main__", "map restored faces of LFW (SCGAN's Fig. 3)"),
    "verify": ("facesr_bench.verify.__main__", "make a part of a finished run again and compare"),
    "weights": ("facesr_bench.weights.__main__", "third-party weights: list, fetch, import, check"),
}
"""Sub-commands: name, the module whose ``main(argv)`` runs it, one line of help."""

_HELP = """\
facesr-bench: train, run and compare face super-resolution methods

  facesr-bench +method=NAME +data=NAME [key=value ...]     one run: fit, test, record
  facesr-bench -m +method=bicubic,scgan +data=tiny         several runs, each in its own folder
  facesr-bench experiment=PAPER/NAME                       a committed recipe
  facesr-bench -m experiment=scgan/table1                  all runs of a paper's table; goes on
  facesr-bench COMMAND --help                              the other commands:
{commands}

methods      {methods}
data         {data}
priors       {priors}
experiments  {experiments}

keys         stage=fit_test|fit|test|adapt|predict|export   scale=full|slim|smoke   seed=N   images=N
             ckpt=FILE   init=FILE     output_dir=DIR            label=TEXT   keep_sr=true|false
             trainer=auto|cpu|gpu|ddp|slurm  logger=csv|wandb|none  metrics=core|paper|all|none
             prior@method.prior=NAME   the face generator of methods that stand on one
             stage=predict input=PICTURES predict.faces=paste    your own pictures, no data needed
             save_minutes=N            training saves checkpoints/last.ckpt at least this often
             method.ARGUMENT=... and data.ARGUMENT=... set what a YAML declares
look inside  facesr-bench +method=scgan +data=tiny --cfg job     the composed configuration
             facesr-bench --config-dir DIR ...                   your own YAML files beside ours
             HYDRA_FULL_ERROR=1                                  tracebacks
"""


def choices(group: str, config_dirs: Sequence[str]) -> list[str]:
    """YAML files of a group, in the package and in the user's ``--config-dir`` folders."""
    from importlib.resources import files
    from pathlib import Path

    roots = [Path(str(files("facesr_bench.conf"))), *(Path(folder) for folder in config_dirs)]
    found = set()
    for root in roots:
        base = root / group
        found |= {p.relative_to(base).with_suffix("").as_posix() for p in base.rglob("*.yaml")}
    return sorted(found)


def config_dirs(argv: Sequence[str]) -> list[str]:
    """The folders given with ``--config-dir``."""
    flags = ("--config-dir", "-cd")
    dirs = [value for flag, value in pairwise(argv) if flag in flags]
    return dirs + [word.split("=", 1)[1] for word in argv if word.startswith("--config-dir=")]


def help_text(argv: Sequence[str]) -> str:
    """Everything there is, on one screen."""
    dirs = config_dirs(argv)
    groups = {
        f"{group}s" if group != "data" else group: ", ".join(choices(group, dirs)) or "(none)"
        for group in ("method", "data", "prior", "experiment")
    }
    commands = "\n".join(f"    {name:<14} {line}" for name, (_, line) in sorted(COMMANDS.items()))
    return _HELP.format(commands=commands, **groups)


def usage_error(missing: str, argv: Sequence[str]) -> UsageError:
    """What to say when there is no method or no data: what exists, and an example."""
    dirs = config_dirs(argv)
    return UsageError(
        f"Nothing to run: there is no {missing}.\n"
        f"  methods: {', '.join(choices('method', dirs))}\n"
        f"  data:    {', '.join(choices('data', dirs))}\n"
        "  example: python -m facesr_bench +method=scgan +data=tiny scale=smoke"
    )


def report(error: BaseException) -> int:
    """Print an error as a sentence and give the exit code; with HYDRA_FULL_ERROR=1 the traceback."""
    log = logging.getLogger("facesr_bench")
    log.debug("The run failed.", exc_info=error)  # the traceback goes to the log file
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        import traceback

        traceback.print_exception(error)
    if isinstance(error, FaceSRError):
        print(f"facesr-bench: {error}", file=sys.stderr)
        return error.exit_code
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:  # the log, a logger's own file
        print(
            f"facesr-bench: No space left on the disk ({error}). Make room and start again.",
            file=sys.stderr,
        )
        return 1
    from facesr_bench.doctor.tested import suspects

    print(
        f"facesr-bench: the run failed with {type(error).__name__}: {first_line(error)}\n"
        "  This is not an error we foresaw; set HYDRA_FULL_ERROR=1 to see where it happened.",
        *(f"  {sentence}" for sentence in suspects(error)),
        "  In a bug report, paste what facesr-bench doctor prints.",
        sep="\n",
        file=sys.stderr,
    )
    return 1


def exit_code_of(command: Callable[[], int | None]) -> int:
    """Run a command for the shell: an error of ours becomes a sentence and its exit code."""
    try:
        return command() or 0
    except FaceSRError as error:
        return report(error)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``facesr-bench`` and ``python -m facesr_bench``."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in COMMANDS:
        module = import_module(COMMANDS[words[0]][0])
        return exit_code_of(lambda: module.main(words[1:]))
    if words and not words[0].startswith("-") and "=" not in words[0]:
        print(
            f"facesr-bench: there is no command {words[0]!r}. Commands: {', '.join(COMMANDS)}; a run "
            "is started with +method=NAME +data=NAME. See facesr-bench --help.",
            file=sys.stderr,
        )
        return UsageError.exit_code
    if set(words) & {"--help", "-h"}:
        print(help_text(words))
        return 0
    from facesr_bench.launch import launch

    return launch(words)
