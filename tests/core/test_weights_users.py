"""What needs which weights: said where people look, and true of the metrics and priors there are."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from facesr_bench.errors import ConfigError, MissingRequirement
from facesr_bench.metrics.building import build_measures
from facesr_bench.weights import loading
from facesr_bench.weights.__main__ import main
from facesr_bench.weights.cache import find
from facesr_bench.weights.loading import locate
from facesr_bench.weights.registry import Use, entry, registry

CONF = Path(__file__).parents[2] / "conf"
MEASURES = sorted(path.stem for path in (CONF / "measure").glob("*.yaml"))


@pytest.fixture(autouse=True)
def _nothing_is_here(tmp_path, monkeypatch):
    monkeypatch.setenv("FACESR_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.delenv("FACESR_CONF", raising=False)


@pytest.fixture
def missed(monkeypatch):
    """Names of the weights that were looked for."""
    names = set()

    def spy(known):
        names.add(known.name)
        return find(known)

    monkeypatch.setattr(loading, "find", spy)
    return names


def build(measure, *overrides):
    """Try to; why not."""
    node = OmegaConf.load(CONF / "measure" / f"{measure}.yaml")
    node = OmegaConf.merge(node, OmegaConf.from_dotlist(list(overrides)))
    config = {"measures": {measure: node}, "on_missing": "skip"}
    _, missing = build_measures(config, {"set_name": "toy-test"})
    return missing.get(measure, "")


def listed(kind, name):
    uses = {name: known.needed_by for name, known in registry().items()}
    return {w: [u for u in found if (u.kind, u.name) == (kind, name)] for w, found in uses.items()}


@pytest.mark.parametrize("measure", MEASURES)
def test_weights_list_exactly_the_metrics_that_ask_for_them(measure, missed):
    said = build(measure)
    uses = listed("metrics", measure)
    assert missed == {name for name, found in uses.items() if any(u.when is None for u in found)}
    for name in missed & {"alexnet", "yunet", "fid_inception"}:
        assert f"needed by {'; '.join(entry(name).users)}" in said
    for name, found in uses.items():
        for use in found:
            if use.when is not None:
                missed.clear()
                build(measure, use.when)
                assert name in missed


def test_every_user_named_exists():
    for kind, folder in (("metrics", "measure"), ("prior", "prior")):
        there = {path.stem for path in (CONF / folder).glob("*.yaml")}
        named = {use.name for e in registry().values() for use in e.needed_by if use.kind == kind}
        assert named <= there, kind


@pytest.mark.parametrize("path", sorted((CONF / "prior").glob("*.yaml")), ids=lambda p: p.stem)
def test_weights_list_exactly_the_priors_made_of_them(path):
    content = yaml.safe_load(path.read_text())
    values = {value for key, value in content.items() if key != "name"}
    uses = listed("prior", path.stem)
    assert {name for name in registry() if name in values} == {n for n, u in uses.items() if u}


def test_the_table_says_it_within_100_columns(capsys):
    assert main(["list"]) == 0
    folder, *lines = capsys.readouterr().out.splitlines()
    assert folder.startswith("Weights in ") and max(map(len, lines)) <= 100
    text = " ".join(" ".join(lines).split())
    for name in registry():
        assert any(line.split()[:1] == [name] for line in lines), f"{name} is cut"
    for words in (
        "metrics: lpips_squeeze, fd_squeezenet",
        "metrics: lpips_alex method: psp (LPIPS loss)",
        "prior: stylegan2_ffhq_ada",
        "topiq_nr_face with model=topiq_nr-face-v1",
    ):
        assert words in text


def test_check_says_it_of_what_is_missing(capsys):
    assert main(["check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "missing  alexnet  (for metrics: lpips_alex; method: psp (LPIPS loss))" in lines
    assert "missing  dlib_landmarks68" in lines and len(lines) == len(registry())


def test_what_is_missing_is_told_with_file_size_licence_command_and_users():
    with pytest.raises(MissingRequirement) as caught:
        locate("vgg16")
    for part in (
        "vgg16-397923af.pth",
        "527.8 MB",
        "CC BY 4.0",
        "facesr-bench weights fetch vgg16",
        "facesr-bench weights import FILE --as vgg16",
        "needed by metrics: lpips_vgg; method: propulse (perceptual loss)",
    ):
        assert part in str(caught.value)


ENTRY = """\
what: a toy
{needed_by}
files: [{{file: toy.pth, sha256: null}}]
layout: {{kind: torch}}
url: https://example.org/
licence: MIT
size_mb: 0.1
"""


@pytest.mark.parametrize(
    ("needed_by", "uses"),
    [
        ("", ()),
        ("needed_by: []", ()),
        ("needed_by: [{method: mine}]", (Use("method", "mine"),)),
        (
            "needed_by: [{metrics: a, for: b, when: c=d}]",
            (Use("metrics", "a", "b", "c=d"),),
        ),
    ],
)
def test_your_own_entry_may_say_it(needed_by, uses, tmp_path, monkeypatch):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "toy.yaml").write_text(ENTRY.format(needed_by=needed_by))
    monkeypatch.setenv("FACESR_CONF", str(tmp_path))
    assert entry("toy").needed_by == uses
    assert [str(use) for use in uses] in ([], ["mine"], ["a with c=d (b)"])


@pytest.mark.parametrize(
    "needed_by", ["[{methods: mine}]", "[{method: a, prior: b}]", "[{method: a, why: b}]", "[mine]"]
)
def test_another_form_is_refused(needed_by, tmp_path, monkeypatch):
    (tmp_path / "weights").mkdir()
    text = ENTRY.format(needed_by=f"needed_by: {needed_by}")
    (tmp_path / "weights" / "toy.yaml").write_text(text)
    monkeypatch.setenv("FACESR_CONF", str(tmp_path))
    with pytest.raises(ConfigError, match=r"toy.yaml is not an entry of the weights registry"):
        registry()


def test_list_and_check_import_nothing_heavy(tmp_path):
    script = (
        "import sys; from facesr_bench.cli import main; main(['weights', 'list']); "
        "main(['weights', 'check']); heavy = {'torch', 'numpy', 'hydra'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "stylegan2_ffhq_ada" in done.stdout
