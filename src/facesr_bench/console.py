"""What the terminal shows: the log, and the table a run ends with."""

import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def start_logging(log_file: Path | None, level: int = logging.INFO) -> None:
    """Send the project's log to the terminal and, with details, to a file in the output folder."""
    root = logging.getLogger("facesr_bench")
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    root.setLevel(logging.DEBUG)
    root.propagate = False
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(level)
    terminal.setFormatter(logging.Formatter("%(message)s"))
    root.addHandler(terminal)
    if log_file is not None:
        file = logging.FileHandler(log_file, encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root.addHandler(file)
    # Lightning's banners and tips are noise beside our own lines; its warnings stay.
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*Mean of empty slice.*",
        ".*`training_step` returned `None`.*",
        ".*but no optimizers found.*",
        ".*resumed dataloader that is not resumable.*",
        ".*mid-epoch.*",
        ".*isinstance.*LeafSpec.*",
    ):
        warnings.filterwarnings("ignore", message=message)


def progress_bar(what: str, total: int, unit: str = "img") -> Any:
    """A bar on standard error; in a log file it is a line every 20 seconds."""
    from tqdm import tqdm

    return tqdm(
        total=total,
        unit=unit,
        desc=what,
        dynamic_ncols=True,
        mininterval=0.5 if sys.stderr.isatty() else 20.0,
    )


def format_value(metric: Mapping[str, Any]) -> str:
    """A value with its interval, as in "17.53 [17.40, 17.66]", or a dash."""
    value = metric.get("value")
    if value is None:
        return "-"
    digits = 2 if abs(value) >= 10 else 4 if abs(value) >= 0.01 or value == 0 else 6
    text = f"{value:.{digits}f}"
    if metric.get("ci95"):
        low, high = metric["ci95"]
        text += f" [{low:.{digits}f}, {high:.{digits}f}]"
    return text


def format_count(number: float | None, unit: str = "") -> str:
    """12_291_896 to "12.3 M"."""
    if number is None:
        return "-"
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.3g} {letter}{unit}"
    return f"{number:.3g} {unit}".rstrip()


def is_smoke_test(metric: Mapping[str, Any]) -> bool:
    """Whether a metric ran on a stand-in (random weights): it shows that code runs, no more."""
    return bool((metric.get("settings") or {}).get("stand_in"))


def result_table(record: Mapping[str, Any]) -> Any:
    """What a run ends with, for rich: values and cost in a table; below it what has no value, and why.

    The reasons hold commands and addresses to copy, so they stand below the table at full width:
    nothing is cut, however narrow the terminal.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    protocol = record["protocol"]
    title = (
        f"{record['method']} on {protocol['name']}@{protocol['version']} "
        f"({record['n_images']} images, {record['origin']})"
    )
    shown = {k: metric for k, metric in record["metrics"].items() if not is_smoke_test(metric)}
    with_floor = any(metric.get("floor") is not None for metric in shown.values())
    table = Table(title=Text(title), title_justify="left")
    table.add_column("metric", overflow="fold")
    table.add_column("value [95 %]", justify="right", no_wrap=True)
    if with_floor:
        table.add_column("floor", justify="right", no_wrap=True)
    table.add_column("better", overflow="fold")

    def add_row(name: str, value: str, floor: str = "", remark: str = "") -> None:
        # Text: names may hold brackets, which rich would take for markup.
        words = [name, value, floor, remark] if with_floor else [name, value, remark]
        table.add_row(*map(Text, words))

    for key, metric in shown.items():
        better = {True: "higher", False: "lower", None: ""}[metric["higher_is_better"]]
        if metric.get("not_scored"):
            better += f" ({metric['not_scored']} not scored)"
        if (own := (metric.get("settings") or {}).get("classifier_error")) is not None:
            better += f" (the classifier errs on {own:.1%})"
        add_row(key, format_value(metric), format_value({"value": metric.get("floor")}), better)
    if record.get("findings"):
        table.add_section()
    for name, finding in (record.get("findings") or {}).items():
        add_row(f"{name} (mean of {finding['n']})", format_value({"value": finding["mean"]}))
    cost = record["cost"]
    if cost:  # none for images from elsewhere
        seconds = cost.get("seconds_per_image")
        table.add_section()
        add_row("parameters", format_count(cost.get("params")))
        add_row("FLOPs per image", format_count(cost.get("flops")))
        add_row("time per image", "-" if seconds is None else f"{seconds * 1e3:.2f} ms")
        add_row("peak memory", format_count(cost.get("peak_memory_bytes"), "B"))
    lines = [f"smoke test, not a result: {key}" for key in record["metrics"] if key not in shown]
    for field, what in (("metrics_skipped", "not computed"), ("metrics_failed", "failed")):
        for reason, keys in _by_reason(record.get(field) or {}).items():
            lines.append(f"{', '.join(keys)} {what}: {reason}")
    return Group(table, *(Text(line, style="dim") for line in lines))


def _by_reason(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """Reason to the metrics that share it."""
    found: dict[str, list[str]] = {}
    for key, reason in reasons.items():
        found.setdefault(reason, []).append(key)
    return found


def print_rich(items: Sequence[Any]) -> None:
    """Print rich renderables to standard output."""
    from rich.console import Console

    # A terminal of under 80 columns breaks lines; rich would cut numbers. A file has no width.
    width = max(Console().width, 80) if sys.stdout.isatty() else 120
    console = Console(width=width, soft_wrap=True)
    for item in items:
        console.print(item)
