"""The command that goes on with what was stopped."""

from collections.abc import Sequence
from pathlib import Path

from facesr_bench.config import quote_override


def how_to_resume(overrides: Sequence[str], output_dir: Path) -> str:
    """The exact command that goes on, or nothing when no checkpoint was written."""
    checkpoint = output_dir / "checkpoints" / "last.ckpt"
    if "stage=predict" in overrides:
        words = [o for o in overrides if not o.startswith(("output_dir=", "predict.existing="))]
        words += [f"output_dir={output_dir}", "predict.existing=skip"]
        return (
            " Finished pictures are kept. To go on:\n"
            f"  python -m facesr_bench {' '.join(map(quote_override, words))}"
        )
    if "stage=adapt" in overrides:  # ckpt= is what is adapted; finished cells are in the folder
        words = [o for o in overrides if not o.startswith("output_dir=")]
        command = " ".join(map(quote_override, [*words, f"output_dir={output_dir}"]))
        return f" Finished cells are kept. To go on:\n  python -m facesr_bench {command}"
    if not checkpoint.is_file() and (output_dir / "sr").is_dir():
        words = [o for o in overrides if not o.startswith("output_dir=")]
        command = " ".join(map(quote_override, [*words, f"output_dir={output_dir}"]))
        return f" SR images made so far are kept. To go on:\n  python -m facesr_bench {command}"
    if not checkpoint.is_file():
        return " No checkpoint was written yet; start the same command again."
    kept = [o for o in overrides if not o.lstrip("+").startswith(("ckpt=", "init=", "output_dir="))]
    words = [*kept, f"ckpt={checkpoint}", f"output_dir={output_dir}"]
    command = " ".join(quote_override(word) for word in words)
    return f" To go on:\n  python -m facesr_bench {command}"
