"""What a run stands on: system, processor, PyTorch and its devices, folders, variables."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import facesr_bench
from facesr_bench.cache import cache_dir
from facesr_bench.errors import first_line
from facesr_bench.results import cpu_name, git_state
from facesr_bench.weights.cache import path_of, weights_dir
from facesr_bench.weights.registry import registry

Row = tuple[str, str]
"""A name and what is to be said of it."""

LEAST_GB = 2.0
"""Free space below which rendered faces and a run's images may not fit."""

_VARIABLES = (
    "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "ONEDNN_MAX_CPU_ISA",
    "ATEN_CPU_CAPABILITY", "PYTHONPATH", "HYDRA_FULL_ERROR", "WANDB_MODE", "LANG", "LC_ALL",
)  # fmt: skip


def system_rows() -> Iterator[Row]:
    """Ours and Python's version, the operating system, the processor and its memory."""
    state = git_state()
    came = "wheel" if state is None else f"commit {state['commit'][:12]}"
    changed = ", with uncommitted changes" if state and state["dirty"] else ""
    yield "facesr-bench", f"{facesr_bench.__version__} ({came}{changed})"
    yield "python", f"{platform.python_version()} ({shortened(sys.executable)})"
    libc = " ".join(part for part in platform.libc_ver() if part)
    yield "system", " ".join([platform.system(), platform.release(), platform.machine(), libc])
    yield "processor", f"{cpu_name()}, {usable_cores()} of {os.cpu_count()} cores usable"
    if memory := _memory_gb():
        yield "memory", f"{memory:.1f} GB"


def torch_rows() -> Iterator[Row]:
    """How PyTorch computes here, and on what. It must be importable."""
    import torch

    build = "CPU" if torch.version.cuda is None else f"CUDA {torch.version.cuda}"
    if torch.version.hip:
        build = f"ROCm {torch.version.hip}"
    capability = torch.backends.cpu.get_cpu_capability()
    onednn = "with" if torch.backends.mkldnn.is_available() else "without"
    yield (
        "torch",
        f"{torch.__version__}, a {build} build, {torch.get_num_threads()} threads, {capability}, "
        f"{onednn} oneDNN",
    )
    if not torch.cuda.is_available():
        yield "gpu", "none that PyTorch can use"
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        facts = torch.cuda.get_device_properties(number)
        bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        yield f"gpu {number}", f"{facts.name}, {facts.total_memory / 1e9:.0f} GB, {bf16}"
    if torch.backends.mps.is_available():
        yield "gpu mps", "Apple's, which this suite was not tried on"


def folder_rows() -> Iterator[Row]:
    """The folders that grow, how much room there is, and the weights that lie in theirs."""
    for name, folder in (("cache", cache_dir()), ("weights", weights_dir())):
        exists = "" if folder.is_dir() else ", not made yet"
        yield name, f"{shortened(folder)}{exists}, {free_gb(folder):.1f} GB free"
    known = registry()
    here = [name for name, file in known.items() if any(path_of(f).is_file() for f in file.files)]
    yield "weights here", f"{len(here)} of {len(known)}: {', '.join(sorted(here)) or 'none'}"


def variable_rows() -> Iterator[Row]:
    """Variables of the environment that change what runs do, as far as they are set."""
    ours = sorted(name for name in os.environ if name.startswith("FACESR_"))
    for name in (*ours, *_VARIABLES):
        if name in os.environ:
            yield name, shortened(os.environ[name])


def folder_problems() -> Iterator[str]:
    """Folders that cannot be written to, or have no room left."""
    for variable, folder in (("FACESR_CACHE", cache_dir()), ("FACESR_WEIGHTS", weights_dir())):
        there = _nearest(folder)
        if not os.access(there, os.W_OK | os.X_OK):
            yield (f"{shortened(there)} cannot be written to: set {variable} to a folder that can.")
        elif (free := free_gb(folder)) < LEAST_GB:
            yield (
                f"{shortened(folder)} has {free:.1f} GB left: make room, or set {variable} to a "
                "folder on another disk."
            )


def device_problems() -> Iterator[str]:
    """A GPU that the machine has and PyTorch does not use."""
    import torch

    if torch.cuda.is_available() or shutil.which("nvidia-smi") is None:
        return
    if not Path("/proc/driver/nvidia/version").exists():
        return
    if torch.version.cuda is None:
        yield (
            "This machine has an NVIDIA driver but PyTorch is a CPU build: install the build of "
            "your CUDA version (see pytorch.org, Get Started)."
        )
    else:
        yield (
            f"This machine has an NVIDIA driver but PyTorch (CUDA {torch.version.cuda}) cannot use "
            "it: the driver may be older than that, or CUDA_VISIBLE_DEVICES hides the GPU."
        )


def usable_cores() -> int:
    """Cores this process may run on (a container or ``taskset`` may allow fewer than there are)."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def free_gb(folder: Path) -> float:
    """Room on the disk of a folder, which need not exist yet."""
    try:
        return shutil.disk_usage(_nearest(folder)).free / 1e9
    except OSError as error:
        raise OSError(f"{folder}: {first_line(error)}") from error


def shortened(text: str | Path) -> str:
    """A path or list of paths with the user's home as ``~``: reports are pasted in public."""
    home = str(Path.home())
    return str(text).replace(home, "~") if len(home) > 1 else str(text)


def _nearest(folder: Path) -> Path:
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def _memory_gb() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):
        return None
