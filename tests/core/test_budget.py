import pytest

from facesr_bench.budget import Budget, Phase
from facesr_bench.errors import ConfigError


def three() -> Budget:
    return Budget([Phase("a", 100, 10), Phase("b", 300, 20), Phase("c", 600, 50)])


def test_phase_and_offset_of_a_position() -> None:
    budget = three()
    assert [(budget.phase_at(p)[0].name, budget.phase_at(p)[1]) for p in (0, 99, 100, 399, 400)] == [
        ("a", 0), ("a", 99), ("b", 0), ("b", 299), ("c", 0),
    ]  # fmt: skip
    assert budget.phase_at(1003)[0].name == "c"
    assert not budget.finished(999)
    assert budget.finished(1000)


@pytest.mark.parametrize("images", [3, 4, 10, 999, 12345])
def test_scaling_keeps_the_total_and_every_phase(images: int) -> None:
    scaled = three().scaled_to(images)
    assert scaled.images == images
    assert [p.name for p in scaled.phases] == ["a", "b", "c"]
    assert [p.batch_size for p in scaled.phases] == [10, 20, 50]
    if images > 100:
        assert scaled.phases[0].images == pytest.approx(images / 10, abs=1)


def test_config_forms_and_facts() -> None:
    assert Budget.from_config({"images": 64, "batch_size": 8}).phases == (Phase("train", 64, 8),)
    rows = [{"name": "64px", "images": 5, "batch_size": 2, "resolution": 64}]
    assert Budget.from_config({"phases": rows}).phases[0].facts == {"resolution": 64}


@pytest.mark.parametrize(
    ("config", "images", "word"),
    [
        ({"images": 0, "batch_size": 4}, None, "at least one image"),
        ({"images": 4}, None, "batch_size"),
        ({"images": 4, "batch_size": 2}, 0, "cannot be shared"),
    ],
)
def test_impossible_budgets_are_sentences(config: dict, images: int | None, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        Budget.from_config(config, images)
