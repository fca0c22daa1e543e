"""Divisions and marks: what weights may have seen of what they are measured on is never silent."""

from pathlib import Path
from typing import Any

import pytest

from command_line import ROOT
from facesr_bench.leaderboard.columns import columns_of
from facesr_bench.leaderboard.formats.markdown import markdown
from facesr_bench.leaderboard.model import Row
from facesr_bench.leaderboard.provenance import cell_marks, division, is_smoke, row_marks
from facesr_bench.leaderboard.run_tables import run_tables
from facesr_bench.leaderboard.scales import scale_matters
from leaderboard.made_records import bicubic, metric, save, wider

_FFHQ = {"recipe": "ffhq", "images": {"train": 70_000}}
FFHQ_TRAINED = [{"data": "pan_celebahq_x8", "images": 9_000_000, "sources": [_FFHQ]}]
ON_FFHQ: dict[str, Any] = {
    "data": "scgan_ffhq",
    "data_sources": [{"recipe": "ffhq", "images": {"test": 2500}}],
}


def texts(record: dict[str, Any]) -> list[str]:
    return [mark.text for mark in row_marks(record)]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (wider(), "protocol data"),
        # Protocols of one paper share what is trained on, so their weights may be tested on each other.
        (wider(data="scgan_ffhq"), "protocol data"),
        (wider(data="scgan_authors_WebFace"), "protocol data"),
        (wider(data="tiny"), "open"),
        (wider(trained_on=[]), "open"),
        (wider(trained_on=[*wider()["trained_on"], {"data": "folder", "images": 5}]), "open"),
        (bicubic(), "no training"),
        (wider(origin="images from elsewhere", trained_on=[]), "images from elsewhere"),
        (
            wider(
                origin="weights from a file", trained_on=[],
                weights=[{"file": "pretrained_model.pth", "sha256": "0" * 64, "role": "init"}],
            ),
            "released weights",
        ),
        (
            wider(
                origin="weights from a file", trained_on=[],
                weights=[{"file": "mine.pth", "sha256": "0" * 64, "role": "init"}],
            ),
            "open",
        ),
        (bicubic(prior={"name": "p", "trained_on": [{"data": "scgan_widerface"}]}), "protocol data"),
        (bicubic(prior={"name": "p", "trained_on": [{"data": "FFHQ 1024"}]}), "open"),
    ],
)  # fmt: skip
def test_divisions(record: dict[str, Any], expected: str) -> None:
    assert division(record) == expected


def test_whoever_trained_on_test_images_is_marked_and_never_the_best(tmp_path: Path) -> None:
    cheat = wider(0.5, label="cheat", test_overlap={"known": True, "images": 1999})
    save(tmp_path, cheat, wider(13.4, label="honest"))
    (table,) = run_tables([(tmp_path, cheat), (tmp_path, wider(13.4, label="honest"))])
    first, second = table.rows
    assert "trained on 1,999 of the test images" in [mark.text for mark in first.marks]
    assert not any(cell.best for cell in first.cells)
    assert second.cells[0].best
    out = markdown([table])
    assert "| cheat (trained on 1,999 of the test images) | 0.5000" in out
    assert (
        "1,999 of the 2,000 test keys were trained on; such a value is never called the best."
        in out
    )


@pytest.mark.parametrize(
    ("overlap", "marked"),
    [(None, True), ({"known": False, "images": None}, True), ({"known": True, "images": 0}, False)],
)
def test_the_same_source_is_marked_unless_keys_are_known_to_be_apart(
    overlap: dict[str, Any] | None, marked: bool
) -> None:
    record = wider(trained_on=FFHQ_TRAINED, test_overlap=overlap, **ON_FFHQ)
    found = [mark for mark in row_marks(record) if mark.text == "trained on ffhq"]
    assert bool(found) == marked
    assert all(mark.disqualifies for mark in found)


def test_a_protocol_keeps_its_own_sources_apart() -> None:
    assert texts(wider(test_overlap=None, **ON_FFHQ)) == []


def test_images_under_other_names_are_marked() -> None:
    """The authors' archive holds FFHQ faces under names of its own: keys cannot tell."""
    sources = [{"recipe": "scgan_zip", "images": {"test": 1028}}]
    assert "trained on ffhq" in texts(wider(data="scgan_authors_FFHQ", data_sources=sources))


def test_a_prior_that_saw_the_test_set_is_marked() -> None:
    prior = {"name": "stylegan2_ffhq_ada", "trained_on": [{"data": "FFHQ 1024"}]}
    assert "prior saw ffhq" in texts(wider(prior=prior, **ON_FFHQ))
    assert texts(wider(prior=prior)) == []


def test_weights_of_unknown_training_are_marked() -> None:
    record = wider(origin="weights from a file", trained_on=[], test_overlap={"known": False})
    assert texts(record) == ["training data unknown"]


@pytest.mark.parametrize(
    ("key", "networks", "marked"),
    [
        ("lpips_vgg", ["vgg16"], True),
        ("lpips_alex", ["vgg16"], False),
        ("lpips_alex", ["lpips_alex"], True),
        ("identity_cos@arcface-own", ["arcface_irse50"], True),
        ("identity_cos@mobilefacenet-own", ["arcface_irse50"], False),
        ("verification_acc@facenet", ["facenet_vggface2"], True),
        ("fd_squeezenet_jk@tiny-test", ["squeezenet1_1"], True),
        ("psnr_rgb", ["vgg16"], False),
        ("lpips_vgg", None, False),
    ],
)
def test_a_metric_of_a_network_in_the_loss_is_marked(
    key: str, networks: list[str] | None, marked: bool
) -> None:
    assert bool(cell_marks(key, wider(loss_networks=networks))) == marked


def test_such_a_value_is_never_the_best_but_the_rest_of_the_row_may_be() -> None:
    mine = wider(5, label="mine", loss_networks=["lpips_alex"])
    other = wider(9, label="other")
    for record, value in ((mine, 0.1), (other, 0.2)):
        record["metrics"]["lpips_alex"] = metric(value)
    (table,) = run_tables([(Path(), mine), (Path(), other)])
    place = [head.key for head in table.heads].index("lpips_alex")
    first, second = table.rows
    assert (first.cells[place].best, second.cells[place].best) == (False, True)
    assert first.cells[0].best
    assert "0.1000 [-0.9000, 1.1000] ‡" in markdown([table])


def test_smoke_budgets_are_told_from_short_ones() -> None:
    assert is_smoke(wider(scale="smoke"))
    assert is_smoke(wider(budget={"images": 400_000, "declared": 4_000_000}))
    assert not is_smoke(wider(budget={"images": 2_000_000, "declared": 4_000_000}))
    assert not is_smoke(bicubic(scale="smoke"))
    assert is_smoke(bicubic(scale="smoke", method="pulse"))


_SHORT = {"images": 4, "declared": 4_000_000}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (wider(scale="smoke", budget=_SHORT), ["smoke budget"]),
        (wider(scale="smoke"), ["smoke budget"]),
        (wider(), []),
        (wider(scale="slim"), ["scale=slim"]),
        (wider(scale="slim", budget=_SHORT), ["smoke budget", "scale=slim"]),
        (wider(scale="slim", origin="weights from a file", budget=None), ["scale=slim"]),
        # The same at every scale: Pillow's kernel, and images that somebody else has made.
        (bicubic(scale="smoke"), []),
        (bicubic(scale="slim"), []),
        (bicubic(scale="smoke", origin="images from elsewhere"), []),
        (wider(scale="smoke", origin="images from elsewhere", trained_on=[]), []),
        # A search has no budget, but fewer steps at scale=smoke, and as many as ever at slim.
        (bicubic(scale="smoke", method="pulse"), ["scale=smoke"]),
        (bicubic(scale="slim", method="pulse"), []),
        # Of a method that is not in this package nobody knows.
        (bicubic(scale="smoke", method="theirs"), ["scale=smoke"]),
        (bicubic(scale="full", method="theirs"), []),
    ],
)  # fmt: skip
def test_what_is_smaller_than_the_paper_is_said_once(
    record: dict[str, Any], said: list[str]
) -> None:
    assert texts(record) == said


def test_every_method_of_the_package_is_known_by_what_a_scale_changes() -> None:
    matters = {
        path.stem: [s for s in ("slim", "smoke") if scale_matters(path.stem, s)]
        for path in (ROOT / "conf" / "method").glob("*.yaml")
    }
    fixed = {name for name, scales in matters.items() if not scales}
    assert fixed == {"bicubic", "nearest", "lanczos", "images", "spandrel"}
    assert matters["pulse"] == ["smoke"]
    assert matters["scgan"] == ["slim", "smoke"]


@pytest.mark.parametrize(
    ("verdicts", "said", "disqualified"),
    [
        ([], [], False),
        (["verified"], ["verified"], False),
        (["verified", "differs"], ["differs when made again"], True),
        (["differs", "verified"], ["verified"], False),
    ],
)
def test_the_last_verification_counts(
    verdicts: list[str], said: list[str], disqualified: bool
) -> None:
    marks = row_marks(wider(verified=[{"verdict": verdict} for verdict in verdicts]))
    assert [mark.text for mark in marks] == said
    assert any(mark.disqualifies for mark in marks) == disqualified


def test_columns_of_all_rows_keep_their_length() -> None:
    """``best`` with rows that may not win says something about every row."""
    (column, *_) = columns_of([wider(1), wider(2)])
    assert column.best([False, True]) == [False, True]
    assert column.best([False, False]) == [False, False]
    assert isinstance(Row("x", []).may_be_best, bool)
