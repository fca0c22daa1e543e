"""What ``facesr-bench verify`` lets differ: images and numbers that hold, and that are lies."""

from typing import Any

import numpy as np
import pytest

from facesr_bench.verify.__main__ import _DESCRIPTION
from facesr_bench.verify.comparing import (
    OTHER_DEVICE,
    SAME_DEVICE,
    close,
    compare_images,
    compare_means,
    compare_scores,
    compare_values,
    same_device,
)

NAN = float("nan")


# -- images --------------------------------------------------------------------------------------


def grey(*pixels: tuple[int, int], size: int = 10) -> Any:
    """A grey image of 100 in which the first so many values have another level."""
    flat = np.full(size * size * 3, 100, np.uint8)
    for count, level in pixels:
        flat[:count] = level
    return flat.reshape(size, size, 3)


IMAGES = {
    "the same": (grey(), SAME_DEVICE, None),
    "a level in one value, same device": (
        grey((1, 101)),
        SAME_DEVICE,
        "a by up to 1 of 255 in 1 pix",
    ),
    "a level in 2 % of the values": (grey((6, 101)), OTHER_DEVICE, None),
    "a level in more of them": (grey((7, 101)), OTHER_DEVICE, "a by up to 1 of 255 in 3 pixels"),
    "a level throughout": (grey((300, 99)), OTHER_DEVICE, "a by up to 1 of 255 in 100 pixels"),
    "two levels in one value": (grey((1, 98)), OTHER_DEVICE, "a by up to 2 of 255 in 1 pixels"),
    "uint8 that wraps": (grey((1, 0)), OTHER_DEVICE, "a by up to 100 of 255"),
    "another size": (grey(size=11), OTHER_DEVICE, "has another size"),
}


@pytest.mark.parametrize("case", IMAGES)
def test_images(case: str) -> None:
    image, tolerance, said = IMAGES[case]
    findings, numbers = compare_images({"a": grey()}, {"a": image}, tolerance)
    assert (findings == []) == (said is None)
    assert said is None or said in findings[0]
    changed = image.shape == grey().shape and not np.array_equal(image, grey())
    assert (numbers["images"], numbers["differing"]) == (1, int(changed))
    assert numbers["largest_difference"] == (int(said.split()[4]) if changed and said else changed)


def test_numbers_are_of_the_worst_image_and_offenders_beyond_three_are_counted() -> None:
    stored = {key: grey() for key in "abcdef"}
    again = stored | {key: grey((1, 100 + n)) for n, key in enumerate("abcde", 1)}
    findings, numbers = compare_images(stored, dict(reversed(again.items())), SAME_DEVICE)
    assert numbers == {"images": 6, "differing": 5, "largest_difference": 5}
    assert findings[0].startswith("5 of 6 stored SR images")
    assert findings[0].endswith("c by up to 3 of 255 in 1 pixels and 2 more")
    three, _ = compare_images(stored, {key: again[key] for key in "abcf"}, SAME_DEVICE)
    assert three[0].endswith("c by up to 3 of 255 in 1 pixels")


def test_tolerances_are_those_the_command_tells() -> None:
    text = " ".join(_DESCRIPTION.split())
    assert "must be equal to the bit; elsewhere one level of 255 at most, and 0.02 on av" in text
    assert SAME_DEVICE.to_json() == {"levels": 0, "mean_levels": 0.0, "score": 1e-6}
    assert OTHER_DEVICE.to_json() == {"levels": 1, "mean_levels": 0.02, "score": 1e-4}


DEVICE = {"type": "cpu", "name": "CPU", "threads": 8}


@pytest.mark.parametrize(
    ("changed", "torches", "same"),
    [
        ({}, ("2.1", "2.1"), True),
        ({"memory": 3}, ("2.1", "2.1"), True),
        ({}, ("2.1", "2.2"), False),
        ({"type": "cuda"}, ("2.1", "2.1"), False),
        ({"name": "Other"}, ("2.1", "2.1"), False),
        ({"threads": 4}, ("2.1", "2.1"), False),
    ],
)
def test_the_same_device(changed: dict[str, Any], torches: tuple[str, str], same: bool) -> None:
    assert same_device(DEVICE, DEVICE | changed, torches) == same


# -- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "tolerance", "expected"),
    [
        (1.0, 1.0, 0.0, True),
        (1000.0, 1000.9, 1e-3, True),
        (1000.0, 1001.9, 1e-3, False),
        (1e-4, 9e-4, 1e-3, True),
        (1e-4, 2e-3, 1e-3, False),
        (NAN, NAN, 1e-3, True),
        (NAN, 1.0, 1e-3, False),
        (1.0, NAN, 1e-3, False),
    ],
)
def test_close(one: float, other: float, tolerance: float, expected: bool) -> None:
    assert close(one, other, tolerance) == expected


SCORES = {
    "the same": ({"psnr": {"a": 20.0, "b": NAN}}, None),
    "a part of the table": ({"psnr": {"a": 20.0}}, None),
    "a column the run did not measure": ({"ssim": {"a": 0.5}}, None),
    "another value": (
        {"psnr": {"a": 20.1, "b": NAN}},
        "psnr of 1 images differs from X: a has 20,",
    ),
    "a number where the table has none": ({"psnr": {"b": 1.0}}, "b has nan, not 1"),
    "none where the table has a number": ({"psnr": {"a": NAN}}, "a has 20, not nan"),
    "an image the table lacks": ({"psnr": {"c": 20.0}}, "c has nan, not 20"),
}


@pytest.mark.parametrize("case", SCORES)
def test_scores(case: str) -> None:
    again, said = SCORES[case]
    findings, compared = compare_scores({"psnr": {"a": 20.0, "b": NAN}}, again, 1e-6, "X")
    assert (findings == []) == (said is None)
    assert said is None or said in findings[0]
    assert compared == [name for name in again if name == "psnr"]


def entry(value: float, n: int, per_image: bool = True) -> dict[str, Any]:
    return {"value": value, "n": n, "per_image": per_image}


MEANS = {
    "its mean": (entry(2.0, 2), {"x": {"a": 1.0, "b": 3.0}}, None),
    "an image without a value does not count": (entry(1.0, 1), {"x": {"a": 1.0, "b": NAN}}, None),
    "an infinite one neither": (entry(1.0, 1), {"x": {"a": 1.0, "b": float("inf")}}, None),
    "no value at all": (entry(NAN, 0), {"x": {"a": NAN}}, None),
    "not of single images": (entry(9.0, 2, per_image=False), {}, None),
    "n = 3 over two values": (entry(2.0, 3), {"x": {"a": 1.0, "b": 3.0}}, "= 2 over 3 images, but"),
    "n = 1 over two values": (entry(2.0, 1), {"x": {"a": 1.0, "b": 3.0}}, "averages to 2 over 2"),
    "another mean": (entry(2.1, 2), {"x": {"a": 1.0, "b": 3.0}}, "averages to 2 over 2"),
    "a last digit": (entry(2.00001, 2), {"x": {"a": 1.0, "b": 3.0}}, "averages to 2 over 2"),
    "n of images without a value": (entry(1.0, 2), {"x": {"a": 1.0, "b": NAN}}, "to 1 over 1"),
    "no column": (entry(2.0, 2), {}, "has no column x"),
}


@pytest.mark.parametrize("case", MEANS)
def test_means(case: str) -> None:
    metric, table, said = MEANS[case]
    findings = compare_means({"metrics": {"x": metric}}, table)
    assert (findings == []) == (said is None)
    assert said is None or said in findings[0]


def test_every_wrong_mean_is_found() -> None:
    record = {"metrics": {"a": entry(9, 9, False), "b": entry(1, 1), "c": entry(9, 1)}}
    table = {"b": {"k": 2.0}, "c": {"k": 3.0}}
    assert [text.split()[3] for text in compare_means(record, table)] == ["b", "c"]


@pytest.mark.parametrize(
    ("value", "findings"), [(10.0, []), (10.0009, []), (11.0, ["fid is 11, the record says 10"])]
)
def test_values_of_whole_sets(value: float, findings: list[str]) -> None:
    record = {"metrics": {"fid": {"value": 10.0}}}
    again = {"new": {"value": 1.0}, "fid": {"value": value}}
    assert compare_values(record, again, 1e-4) == findings
