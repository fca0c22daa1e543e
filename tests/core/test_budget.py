import pytest

from facesr_bench.budget import Budget, Phase
from facesr_bench.errors import ConfigError
from facesr_bench.stream import StreamSampler


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


def test_numbers_of_phases_count_from_one() -> None:
    assert [three().number_at(p) for p in (0, 99, 100, 399, 400, 1003)] == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("lengths", [(12, 24, 5), (10, 3, 9), (1, 1, 1), (7, 1, 30)])
def test_steps_are_those_of_the_stream(lengths: tuple[int, int, int]) -> None:
    """A batch belongs to the phase it starts in, and may jump over the next."""
    budget = Budget([Phase(n, i, b) for n, i, b in zip("abc", lengths, (4, 6, 3), strict=True)])
    starts: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    for positions in StreamSampler(budget, 0, 0, 1):
        starts[budget.phase_at(positions[0])[0].name].append(positions[0])
    for phase, first, count in budget.steps():
        assert starts[phase.name] == [first + i * phase.batch_size for i in range(count)]


def test_config_forms_and_facts() -> None:
    assert Budget.from_config({"images": 64, "batch_size": 8}).phases == (Phase("train", 64, 8),)
    exponent = {"images": 1e6, "batch_size": 8}  # YAML reads 1e6 as a float
    assert Budget.from_config(exponent).phases == (Phase("train", 1_000_000, 8),)
    rows = [{"name": "64px", "images": 5, "batch_size": 2, "resolution": 64}]
    assert Budget.from_config({"phases": rows}).phases[0].facts == {"resolution": 64}


@pytest.mark.parametrize(
    ("config", "images", "word"),
    [
        ({"images": 0, "batch_size": 4}, None, "at least one image"),
        ({"images": 4}, None, "batch_size"),
        ({"images": 4, "batch_size": 2}, 0, "cannot be shared"),
        (
            {"images": 4, "batch_size": 2.5},
            None,
            r"batch_size of phase 'train' must be a whole number",
        ),
        ({"images": None, "batch_size": 2}, None, "whole number, but is None"),
        ({"images": "many", "batch_size": 2}, None, "whole number"),
        ({"phases": "all"}, None, "phases is a list"),
    ],
)
def test_impossible_budgets_are_sentences(config: dict, images: int | None, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        Budget.from_config(config, images)
