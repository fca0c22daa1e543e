"""What adaptation may read, and which faces a cell of the protocol shows and tests."""

import pytest

from adaptation.two_lights import HR, LR, TwoLights, data_of
from facesr_bench.adaptation.cells import Target
from facesr_bench.adaptation.two_domains import TwoDomains
from facesr_bench.errors import ConfigError, DataError


def test_while_adapting_only_exemplars_of_the_target_can_be_read() -> None:
    run = data_of(TwoLights())
    target = Target(run)
    cell = target.cells(1, [0], ["dim"])[0]
    data = data_of(TwoLights())
    data.source = target.source.testing(cell.test)
    test_set = data.test_set
    with target.guard.only(cell.keys):
        assert target.exemplars(cell).keys == cell.keys
        other = next(i for i in range(6) if i not in cell.exemplars)
        for read in (
            lambda: test_set.hr(0),
            lambda: cell.test[0],
            lambda: cell.pool[other],
            lambda: target.source.split("test")[0],  # type: ignore[index]
            lambda: data.required("test")[0],
            lambda: run.required("test")[0],  # nor by the data module the run was given
            lambda: data_of_split(data)[0],
        ):
            with pytest.raises(DataError, match="may see the exemplars"):
                read()
        assert data.required("train")[0].hr is not None  # the source domain is free
    assert test_set.hr(0) is not None  # and afterwards, scoring reads


@pytest.mark.parametrize("role", ["val", "test", "exemplar"])
def test_no_split_of_the_target_is_read_while_adapting(role) -> None:
    """Whoever validates or stops early on the target's images has seen them."""
    run = data_of(TwoLights())
    target = Target(run)
    cell = target.cells(1, [0], ["dim"])[0]
    split = target.source.split(role)
    fresh = run.source.split(role)
    hidden = [i for i, key in enumerate(split.keys) if key not in cell.keys]
    assert hidden
    with target.guard.only(cell.keys):
        for index in hidden:
            with pytest.raises(DataError, match=f"of the target's {role} split"):
                split[index]
            with pytest.raises(DataError, match=f"of the target's {role} split"):
                fresh[index]
    assert split[hidden[0]].hr is not None


def data_of_split(data):
    """The test split as a method would ask the data set for it."""
    return data.source.split("test")


def test_what_was_decoded_before_is_behind_the_guard_as_well() -> None:
    source = TwoLights()
    target = Target(data_of(source))
    cell = target.cells(1, [0], None)[0]
    reads = len(source.splits["test"].read)
    assert cell.test[0].hr is not None
    assert len(source.splits["test"].read) == reads, "kept in memory"
    with target.guard.only(cell.keys), pytest.raises(DataError):
        cell.test[0]


def test_cells_are_conditions_by_draws() -> None:
    target = Target(data_of(TwoLights()))
    cells = target.cells(1, range(3), None)
    assert [(c.condition, c.seed) for c in cells] == [
        (light, seed) for light in ("bright", "dim") for seed in range(3)
    ]
    for cell in cells:
        lights = {cell.test[i].domain for i in range(len(cell.test))}
        assert lights == {cell.condition} == {cell.pool[i].domain for i in cell.exemplars}
        assert not set(cell.keys) & set(cell.test.keys) and len(cell.test.keys) == 4
    assert len({cell.keys for cell in cells if cell.condition == "dim"}) > 1
    again = Target(data_of(TwoLights())).cells(1, range(3), None)
    assert [cell.keys for cell in again] == [cell.keys for cell in cells]


def test_conditions_draw_their_exemplars_each_for_itself() -> None:
    """Else all lights of an adaptation would show the same people, and ten draws be one in disguise."""
    target = Target(data_of(TwoLights()))
    places = {
        light: [
            [i // 2 for i in target.cells(3, [seed], [light])[0].exemplars] for seed in range(6)
        ]
        for light in ("bright", "dim")
    }
    assert all(sorted(drawn) == [0, 1, 2] for drawn in places["dim"])
    assert places["bright"] != places["dim"]


def test_more_exemplars_include_the_fewer() -> None:
    target = Target(data_of(TwoLights()))
    for seed in range(4):
        one, three = (target.cells(k, [seed], ["dim"])[0] for k in (1, 3))
        assert three.keys[:1] == one.keys and len(set(three.keys)) == 3


def test_without_an_exemplar_split_the_rest_of_the_test_split_is_tested() -> None:
    target = Target(data_of(TwoLights(with_exemplars=False)))
    cell = target.cells(2, [0], ["dim"])[0]
    assert len(cell.keys) == 2 and len(cell.test.keys) == 2
    assert not set(cell.keys) & set(cell.test.keys)
    with pytest.raises(ConfigError, match=r"has 4 images .* draw 4 exemplars from and test"):
        target.cells(4, [0], ["dim"])


def test_exemplars_are_pairs_as_the_protocol_fixes_them() -> None:
    data = data_of(TwoLights())
    target = Target(data)
    shown = target.exemplars(target.cells(2, [0], ["dim"])[0])
    assert shown.hr.shape == (2, 3, HR, HR) and shown.lr.shape == (2, 3, LR, LR)
    assert float(shown.hr.max()) <= 0.5  # they are dim
    sample = TwoLights().splits["exemplar"]
    hr = sample[sample.keys.index(shown.keys[0])].hr
    assert hr is not None
    expected = data.degradation(hr, None)  # type: ignore[arg-type]
    assert (shown.lr[0].permute(1, 2, 0).mul(255).round().numpy() == expected).all()


def test_conditions_that_are_not_there_are_told() -> None:
    with pytest.raises(ConfigError, match="'noon'; it has bright, dim"):
        Target(data_of(TwoLights())).cells(1, [0], ["noon"])
    with pytest.raises(ConfigError, match=r"has 3 images .* to draw 9 exemplars"):
        Target(data_of(TwoLights())).cells(9, [0], None)


def test_two_domains_train_on_the_one_and_test_on_the_other() -> None:
    source, target = TwoLights(), TwoLights()
    both = TwoDomains(source, target, exemplar="exemplar")
    assert both.split("train") is source.splits["train"]
    assert both.split("test") is target.splits["test"]
    assert both.split("exemplar") is target.splits["exemplar"]
    assert both.split("train_lr") is None
