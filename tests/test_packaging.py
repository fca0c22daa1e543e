"""The same package from a checkout, an editable install and a wheel; no name it must not take."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from command_line import ROOT


def test_no_importable_top_level_methods_or_datasets() -> None:
    """A top-level ``datasets`` package would hide Hugging Face's, which pyiqa imports."""
    assert not (ROOT / "methods" / "__init__.py").exists()
    assert not (ROOT / "datasets" / "__init__.py").exists()
    assert (ROOT / "conf" / "__init__.py").exists(), (
        "Hydra finds pkg://facesr_bench.conf through it"
    )
    code = (
        "import facesr_bench.datasets.folder, datasets, pathlib\n"
        "assert 'site-packages' in datasets.__file__, datasets.__file__"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=600)


def test_the_harness_imports_no_plug_in() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        for line in path.read_text().splitlines():
            words = line.split()
            if words[:1] in (["from"], ["import"]):
                assert not words[1].startswith(("facesr_bench.methods", "facesr_bench.datasets")), (
                    path
                )


def test_a_wheel_holds_everything_and_runs_from_anywhere(tmp_path: Path) -> None:
    """Built without isolation (no network), unpacked beside nothing of the checkout, and run."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        check=True, capture_output=True, timeout=600,
    )  # fmt: skip
    wheel = next(tmp_path.glob("*.whl"))
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(site)
    for name in (
        "conf/config.yaml",
        "constraints.txt",
        "methods/scgan/module.py",
        "methods/scgan/weights/slim_synthface.safetensors",
        "methods/propulse/weights/synthface_identity.safetensors",
        "datasets/synthface/render.py",
        "datasets/synthface/tiny_test.zip",
        "leaderboard/page/assets/start.js",
        "leaderboard/page/assets/layout.css",
    ):
        assert f"facesr_bench/{name}" in names
    assert not [n for n in names if n.startswith(("methods/", "datasets/", "conf/", "tests/"))]
    # -P and -S-like isolation: the editable checkout must not be what answers.
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import facesr_bench; assert 'site' in facesr_bench.__file__, facesr_bench.__file__\n"
        "assert len(facesr_bench.__path__) == 1\n"
        "from facesr_bench.cli import main\n"
        "sys.exit(main(['+method=nearest', '+data=tiny', 'trainer=cpu', 'output_dir=out',"
        " 'data.source.identities={test: 2}', 'data.source.shipped_test=null', 'metrics=none']))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=elsewhere, check=True, timeout=600)
    assert (elsewhere / "out" / "result.json").is_file()


def test_the_oldest_versions_are_those_that_are_promised() -> None:
    """What CI installs beside the wheel is what ``pyproject.toml`` says will do, but for PyTorch."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    oldest, tried = _pinned("constraints-oldest.txt"), _pinned("constraints.txt")
    for requirement in named:
        name, bound = requirement.split(">=")
        if name == "torch":
            assert (
                oldest["torch"] == tried["torch"] and oldest["torchvision"] == tried["torchvision"]
            )
        else:
            assert f"{oldest[name]}.".startswith(f"{bound}."), (
                f"{requirement}: {oldest[name]} is tried"
            )


def _pinned(file: str) -> dict[str, str]:
    lines = (line.partition("==") for line in (ROOT / file).read_text().splitlines())
    return {name.lower().replace("_", "-"): version for name, _, version in lines}
