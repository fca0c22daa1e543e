"""The table a run ends with: nothing is cut, floors stand by values, a stand-in is no result."""

import io
from typing import Any

import pytest
from rich.console import Console

from facesr_bench.console import format_value, print_rich, result_table

ADDRESS = "https://example.org/" + "a-long-folder/" * 12 + "weights.pth"
COMMAND = "facesr-bench weights import FILE --as fid_inception"
REASON = f"weights are missing [90 MB]: fetch {ADDRESS}, then {COMMAND}"


def metric(value: float, **facts: Any) -> dict[str, Any]:
    base = {"value": value, "ci95": [value - 1, value + 1], "higher_is_better": False, "n": 900}
    return base | {"settings": {}} | facts


def record(**metrics: dict[str, Any]) -> dict[str, Any]:
    return {
        "method": "a[b]",
        "protocol": {"name": "tiny", "version": 1},
        "n_images": 900,
        "origin": "trained here",
        "metrics": metrics,
        "metrics_skipped": dict.fromkeys(("fid@tiny", "kid@tiny"), REASON),
        "metrics_failed": {"niqe": "ValueError: division by cucumber"},
        "cost": {"params": 1000, "flops": None, "seconds_per_image": 0.5},
    }


def shown(content: dict[str, Any], width: int, soft_wrap: bool = False) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(result_table(content), soft_wrap=soft_wrap)
    return out.getvalue()


def cells(text: str, name: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"│ {name} "))
    return [cell.strip() for cell in line.strip("│").split("│")]


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("soft_wrap", [False, True])
def test_nothing_is_cut(width: int, soft_wrap: bool) -> None:
    long = "identity_cos@a_network_with_a_long_name-other"
    wide = metric(15953.62, ci95=[15624.56, 16282.68], floor=110.36, not_scored=500)
    text = shown(record(**{long: wide}), width, soft_wrap)
    if not soft_wrap:
        assert max(map(len, text.splitlines())) <= width
    assert "15953.62 [15624.56, 16282.68]" in text
    assert "…" not in text
    letters = "".join(text.split())
    assert ADDRESS in letters
    assert "".join(COMMAND.split()) in letters
    assert "[90MB]" in letters
    assert "a[b]" in text
    folded = "".join(
        line.split("│")[1].strip() for line in text.splitlines() if line.startswith("│")
    )
    assert long in folded


def test_a_file_gets_reasons_in_one_line_to_copy_from(capsys: pytest.CaptureFixture[str]) -> None:
    print_rich([result_table(record(psnr=metric(20)))])
    out = capsys.readouterr().out
    assert f"fid@tiny, kid@tiny not computed: weights are missing [90 MB]: fetch {ADDRESS}" in out
    assert f"{COMMAND}\n" in out
    assert "niqe failed: ValueError: division by cucumber\n" in out


def test_a_floor_stands_beside_its_value() -> None:
    text = shown(record(niqe=metric(14.58, floor=8.64), lpips=metric(30.0)), 120)
    assert cells(text, "niqe") == ["niqe", "14.58 [13.58, 15.58]", "8.6400", "lower"]
    assert cells(text, "lpips") == ["lpips", "30.00 [29.00, 31.00]", "-", "lower"]
    assert cells(text, "parameters") == ["parameters", "1 k", "", ""]


def test_without_floors_there_is_no_column_of_them() -> None:
    text = shown(record(lpips=metric(30.0, not_scored=7)), 120)
    assert "floor" not in text
    assert cells(text, "lpips") == ["lpips", "30.00 [29.00, 31.00]", "lower (7 not scored)"]


def test_a_smoke_test_is_a_line_without_a_number() -> None:
    stand_in = metric(77.25, floor=66.5, settings={"stand_in": True})
    text = shown(record(**{"fd_vgg16_random@tiny": stand_in, "lpips": metric(30.0)}), 120)
    lines = [line.rstrip() for line in text.splitlines() if "fd_vgg16_random" in line]
    assert lines == ["smoke test, not a result: fd_vgg16_random@tiny"]
    assert "77.25" not in text
    assert "floor" not in text
    assert "66.5" not in text


@pytest.mark.parametrize(
    ("value", "said"),
    [(17.534, "17.53 [16.53, 18.53]"), (10.0, "10.00 [9.00, 11.00]"),
     (9.876, "9.8760 [8.8760, 10.8760]"),
     (0.0, "0.0000 [-1.0000, 1.0000]"), (0.00123, "0.001230 [-0.998770, 1.001230]")],
)  # fmt: skip
def test_a_value_and_both_ends_have_digits_by_its_size(value: float, said: str) -> None:
    assert format_value(metric(value)) == said
