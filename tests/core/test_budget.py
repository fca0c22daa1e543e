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


def test_an_epoch_of_20000_keeps_its_last_batch_of_32() -> None:
    """SCGAN's official loader drops nothing: 313 updates an epoch, 62,600 in all."""
    content = {"images": 200 * 20_000, "batch_size": 64, "short_last_batch": True}
    budget = Budget.from_config(content).of_epochs(20_000)
    batches = [len(batch) for batch in StreamSampler(budget, 0, 0, 1)]
    assert len(batches) == budget.step_at(budget.images) == 200 * 313
    assert batches[:313] == [*[64] * 312, 32]
    assert sum(batches) == budget.images
    ((phase, start, steps),) = budget.steps()
    assert (phase.batch_size, start, steps) == (64, 0, 62_600)
    # a run resumed within an epoch goes on in its place, and ranks share the small batch too
    rest = list(StreamSampler(budget, 20_000 - 96, 1, 2))
    assert [len(batch) for batch in rest[:3]] == [32, 16, 32]
    assert rest[1] == list(range(19_969, 20_000, 2))
    with pytest.raises(ConfigError, match="a batch of 32 images over all processes, which 64"):
        StreamSampler(budget, 0, 0, 64)


def test_batches_run_on_into_the_next_epoch_unless_asked() -> None:
    budget = Budget.from_config({"images": 40, "batch_size": 16}).of_epochs(20)
    assert [len(batch) for batch in StreamSampler(budget, 0, 0, 1)] == [16, 16, 16]
    with pytest.raises(ConfigError, match="short_last_batch is true or false, not 'keep'"):
        Budget.from_config({"images": 40, "batch_size": 16, "short_last_batch": "keep"})
    scaled = Budget.from_config(
        {"images": 40, "batch_size": 16, "short_last_batch": True}, images=60
    )
    assert [len(b) for b in StreamSampler(scaled.of_epochs(20), 0, 0, 1)] == [16, 4] * 3
