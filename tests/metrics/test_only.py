"""metrics.only: labels, and files of conf/measure under whatever label they were added."""

from typing import Any

import pytest
from hydra import compose, initialize_config_module

from facesr_bench.errors import ConfigError
from facesr_bench.metrics.building import build_measures


def asked(*words: str) -> dict[str, Any]:
    with initialize_config_module("facesr_bench.conf", version_base="1.3"):
        config = compose("config", [*words])
    content = {key: config.metrics[key] for key in ("measures", "only")}
    return {**content, "on_missing": "skip"}


def built(*words: str) -> list[str]:
    """Labels that were built or are known to miss their weights."""
    metrics, missing = build_measures(asked(*words), {"set_name": "x", "operator": {}})
    return sorted([*missing, *(type(metric).__name__ for metric in metrics)])


@pytest.mark.parametrize("label", ["attribute_diff", "mine", "faces"])
def test_a_measure_is_kept_by_its_file_under_any_label(
    label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESR_WEIGHTS", "no-such-folder")
    added = f"+measure@metrics.measures.{label}=attribute_diff"
    kept = built("metrics=core", added, "metrics.only=[attribute_diff]")
    assert kept == [label]
    groups = f"metrics.measures.{label}.groups=[male]"
    assert built("metrics=core", added, groups, "metrics.only=[attribute_diff]") == [label]
    assert built("metrics=core", added, f"metrics.only=[{label}]") == [label]


def test_files_of_one_class_are_told_by_their_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESR_WEIGHTS", "no-such-folder")
    words = [
        "metrics=none", "+measure@metrics.measures.a=lpips_alex",
        "+measure@metrics.measures.b=lpips_vgg",
    ]  # fmt: skip
    assert built(*words, "metrics.only=[lpips_vgg]") == ["b"]
    assert built(*words, "metrics.only=[lpips_vgg, a]") == ["a", "b"]


def test_a_label_goes_before_a_file_and_what_is_neither_is_named() -> None:
    added = "+measure@metrics.measures.mine=psnr_y"
    assert len(built("metrics=core", added, "metrics.only=[psnr_y]")) == 1
    with pytest.raises(ConfigError, match="only names 'niqe', which is no measure"):
        built("metrics=core", "metrics.only=[niqe]")
