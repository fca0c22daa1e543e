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


def progress_bar(what: str, images: int) -> Any:
    """A bar on standard error; in a log file it is a line every 20 seconds."""
    from tqdm import tqdm

    return tqdm(
        total=images,
        unit="img",
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


def result_table(record: Mapping[str, Any]) -> Any:
    """The rich table a run ends with: values, what has none and why, and the cost where known."""
    from rich.table import Table
    from rich.text import Text

    protocol = record["protocol"]
    title = (
        f"{record['method']} on {protocol['name']}@{protocol['version']} "
        f"({record['n_images']} images, {record['origin']})"
    )
    table = Table(title=title, title_justify="left")
    for column, justify in (("metric", "left"), ("value [95 %]", "right"), ("better", "left")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for key, metric in record["metrics"].items():
        better = {True: "higher", False: "lower", None: ""}[metric["higher_is_better"]]
        if metric.get("not_scored"):
            better += f" ({metric['not_scored']} not scored)"
        table.add_row(key, format_value(metric), better)
    for field, what in (("metrics_skipped", "not computed"), ("metrics_failed", "failed")):
        for reason, keys in _by_reason(record.get(field) or {}).items():
            # Text: a reason may hold brackets, which rich would take for markup.
            table.add_row("\n".join(keys), "-", Text(f"{what}: {reason}"), style="dim")
    cost = record["cost"]
    if not cost:  # images from elsewhere
        return table
    table.add_section()
    table.add_row("parameters", format_count(cost.get("params")), "")
    table.add_row("FLOPs per image", format_count(cost.get("flops")), "")
    seconds = cost.get("seconds_per_image")
    table.add_row("time per image", "-" if seconds is None else f"{seconds * 1e3:.2f} ms", "")
    table.add_row("peak memory", format_count(cost.get("peak_memory_bytes"), "B"), "")
    return table


def _by_reason(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """Reason to the metrics that share it."""
    found: dict[str, list[str]] = {}
    for key, reason in reasons.items():
        found.setdefault(reason, []).append(key)
    return found


def print_rich(items: Sequence[Any]) -> None:
    """Print rich renderables to standard output."""
    from rich.console import Console

    # Redirected output is not cut to 80 columns.
    console = Console(width=None if sys.stdout.isatty() else 120, soft_wrap=True)
    for item in items:
        console.print(item)
