"""What a method says of itself: its YAML, its class facts, its imports."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig, ListConfig

from facesr_bench.check.subject import Subject
from facesr_bench.check.tick import Fault, NotClaimed, Tick
from facesr_bench.config import HARNESS_KEYS, SCALES
from facesr_bench.errors import FaceSRError
from facesr_bench.method import Method

SMOKE_IMAGES = 1000
"""CI trains so many images at most."""

METRIC_PACKAGES = ("facesr_bench.metrics", "torchmetrics", "skimage", "torch_fidelity", "pyiqa")
CONFIG_WORDS = {"cfg", "config", "conf"}


def yaml_resolves(subject: Subject) -> None:
    """At every scale it composes, names itself, and gives the constructor what it takes."""
    takes = inspect.signature(subject.kind).parameters
    if not issubclass(subject.kind, Method):
        raise Fault(
            f"Open {subject.yaml}: _target_ names no subclass of facesr_bench.method.Method"
        )
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in takes.values()):
        raise subject.fault("__init__", "takes **kwargs, so a misspelt argument would go unnoticed")
    for scale in SCALES:
        try:
            block = subject.composer.at(scale)["method"]
        except FaceSRError as error:
            raise Fault(f"Open {subject.yaml}: {error}") from error
        if block.get("name") != subject.composer.choice:
            raise Fault(
                f"Open {subject.yaml}: name is {block.get('name')!r}, but the file is chosen by "
                f"+method={subject.composer.choice}, and tables and folders go by the name"
            )
        given = {key for key in block if key not in HARNESS_KEYS and not key.startswith("_")}
        unknown, needed = (
            given - set(takes),
            {name for name, p in takes.items() if p.default is inspect.Parameter.empty},
        )
        if unknown:
            raise Fault(
                f"Open {subject.yaml}: at scale={scale} it gives {', '.join(sorted(unknown))}, which "
                f"{subject.kind.__name__} does not take"
            )
        if needed - given:
            raise Fault(
                f"Open {subject.yaml}: at scale={scale} it lacks {', '.join(sorted(needed - given))}, "
                f"which {subject.kind.__name__} needs"
            )


def budgets(subject: Subject) -> str | None:
    """Seconds, minutes, and the paper's: smoke < slim < full, each a budget that can be read."""
    subject.must_train()
    images: dict[str, int] = {}
    for scale in SCALES:
        block = subject.composer.at(scale)["method"].get("budget")
        if block is None:
            raise Fault(f"Open {subject.yaml}: a method that trains needs a budget block")
        try:
            images[scale] = subject.ready.make_budget(block).images
        except FaceSRError as error:
            raise Fault(f"Open {subject.yaml}: the budget at scale={scale}: {error}") from error
    if not images["smoke"] < images["slim"] < images["full"]:
        said = ", ".join(f"{scale} {images[scale]}" for scale in ("smoke", "slim", "full"))
        raise Fault(
            f"Open {subject.yaml}: the images of the budget must grow from smoke (seconds, CI) over "
            f"slim (minutes on a CPU) to full (the paper's), but are {said}"
        )
    if images["smoke"] > SMOKE_IMAGES:
        raise Fault(
            f"Open {subject.yaml}: scale=smoke trains {images['smoke']} images; {SMOKE_IMAGES} are the "
            "most that CI waits for"
        )
    return ", ".join(f"{scale} {count:,}" for scale, count in images.items())


def paper_named(subject: Subject) -> str | None:
    """``paper`` and ``reference`` are filled in."""
    for fact, example in (
        ("paper", "authors, title, venue, year"),
        ("reference", "the official code and its commit, or 'none' and why"),
    ):
        said = getattr(subject.kind, fact, "")
        if not isinstance(said, str) or not said.strip():
            raise subject.fault(fact, f"is empty; give {example}")
    return None


def plain_arguments(subject: Subject) -> None:
    """The constructor takes plain typed values and keeps no configuration object."""
    for name, parameter in inspect.signature(subject.kind).parameters.items():
        note = str(parameter.annotation)
        if name in CONFIG_WORDS or "DictConfig" in note:
            raise subject.fault(
                "__init__", f"takes {name!r}, a whole configuration; give it plain typed arguments"
            )
        if parameter.annotation is inspect.Parameter.empty:
            raise subject.fault("__init__", f"takes {name!r} without a type")
    for name, value in vars(subject.ready).items():
        if isinstance(value, DictConfig | ListConfig):
            raise subject.fault(
                "__init__", f"keeps a configuration object as {name!r}; take plain values out of it"
            )


def no_metrics(subject: Subject) -> None:
    """A method says how, never how well: its files import no metric."""
    for path in _files(subject.kind):
        for line, name in _imports(path):
            if any(name == word or name.startswith(f"{word}.") for word in METRIC_PACKAGES):
                raise Fault(
                    f"Open {path.parent.name}/{path.name}, line {line}: it imports {name}; metrics are "
                    "the harness's, a training loss comes from facesr_bench.nets or your own files"
                )


def _files(kind: type) -> list[Path]:
    """The package of a class, or its file where that lies in none."""
    path = Path(inspect.getfile(kind))
    inside = (path.parent / "__init__.py").is_file()
    return sorted(path.parent.rglob("*.py")) if inside else [path]


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def flops(subject: Subject) -> str | None:
    """What ``cost`` in the YAML declares is what the counters say."""
    from facesr_bench.check.learning import probe
    from facesr_bench.cost import count_flops, count_parameters

    declared = subject.settings["method"].get("cost")
    subject.must_restore()
    if not declared:
        raise NotClaimed("the YAML declares no cost: {SCALE: {params, flops}}")
    for scale, cost in declared.items():
        method = subject.fresh(scale=scale)
        one = probe((1, *subject.lr.shape[1:]), "flops")
        found = {
            "params": count_parameters(method),
            "flops": count_flops(lambda: method.super_resolve(one)),  # noqa: B023
        }
        for name, number in found.items():
            if name in cost and abs(cost[name] - number) > 0.005 * number:
                raise Fault(
                    f"Open {subject.yaml}: cost.{scale}.{name} says {cost[name]:,}, but the counter "
                    f"says {number:,} for LR of {one.shape[2]}x{one.shape[3]}"
                )
    return ", ".join(f"{scale}: {cost}" for scale, cost in declared.items())


TICKS = (
    Tick("yaml", "its YAML resolves at every scale", yaml_resolves),
    Tick("budget", "smoke, slim and full budgets", budgets),
    Tick("paper", "paper and reference are named", paper_named),
    Tick("arguments", "plain typed arguments, no configuration kept", plain_arguments),
    Tick("metrics", "no metric code", no_metrics),
    Tick("flops", "declared cost is what the counter says", flops, after=("sizes",)),
)
