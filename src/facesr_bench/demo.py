"""``make demo``: measure what ships beside bicubic, train a short run, print the leaderboard.

Every step is a command a user can type; the demo prints it before it runs it.
"""

import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

SHORT_RUN_IMAGES = 800
"""A minute or two on two CPU cores: enough to see training, stopping and going on, not to judge by."""


FEW = 16
"""Faces for PULSE: seconds instead of minutes."""


def _command(*words: str) -> list[str]:
    print(f"\n$ python -m facesr_bench {' '.join(words)}", flush=True)
    return [sys.executable, "-m", "facesr_bench", *words]


def _run(*words: str) -> None:
    subprocess.run(_command(*words), check=True)


def _train_stop_and_resume(output_dir: Path) -> None:
    """Train from scratch, press Ctrl-C on ourselves half-way, and resume."""
    run = ["+method=scgan", "+data=tiny", "scale=slim", "label=scgan-short"]
    run += [f"images={SHORT_RUN_IMAGES}"]
    checkpoint = output_dir / "checkpoints" / "last.ckpt"
    process = subprocess.Popen(_command(*run, f"output_dir={output_dir}"))
    try:
        while process.poll() is None and not checkpoint.exists():
            time.sleep(0.2)
        if process.poll() is None:
            print("\n(The demo now presses Ctrl-C, to show that nothing is lost.)", flush=True)
            process.send_signal(signal.SIGINT)
        process.wait()
    finally:
        process.kill()
    if not (output_dir / "result.json").exists():
        _run(*run, f"ckpt={checkpoint}", f"output_dir={output_dir}")


def main() -> int:
    """Run the demo; everything it makes lies in ``runs/demo/<date>``."""
    began = time.perf_counter()
    root = Path("runs") / "demo" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    try:
        _run("+method=bicubic", "+data=tiny", f"output_dir={root / 'bicubic'}")
        words = ["+method=scgan", "+data=tiny", "scale=slim", "stage=test", "label=scgan-slim"]
        _run(*words, f"output_dir={root / 'scgan'}")
        # PULSE searches for each face, so it gets a few of them, and so do the others beside it.
        few = ["-m", "+method=bicubic,scgan,pulse", "+data=tiny", f"data.test_limit={FEW}"]
        _run(*few, "scale=slim", "stage=test", f"output_dir={root / 'few'}")
        _train_stop_and_resume(root / "scgan-short")
        _run("leaderboard", str(root))
    except subprocess.CalledProcessError as error:
        print(f"The demo stopped: the last command failed (exit code {error.returncode}).")
        return 1
    print(f"LR | bicubic | SCGAN | HR: {root / 'scgan' / 'images' / 'grid.png'}")
    print(f"LR | bicubic | PULSE | HR: {root / 'few' / '2' / 'images' / 'grid.png'}")
    print(f"The short run's picture:   {root / 'scgan-short' / 'images' / 'grid.png'}")
    print(f"Done in {time.perf_counter() - began:.0f} s. Records, SR images and logs: {root}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
