"""Each decision behind a division, a mark and a status, one step to either side of it."""

from typing import Any

import pytest

from facesr_bench.leaderboard.provenance import cell_marks, division, is_smoke, row_marks
from facesr_bench.leaderboard.status import status_of
from leaderboard.made_records import bicubic, metric, wider

RELEASED = {"file": "pretrained_model.pth", "sha256": "0" * 64, "role": "init"}
"""SCGAN's generator: no hash is published, so it is known by its name."""

FIT = {"file": "moved.pt", "role": "init",
       "sha256": "6c638855d24ea56d40512cc6d8e7a6cac4c3db6fec232a0bf58e0f78d6336d16"}  # fmt: skip
"""PULSE's fit, known by its published hash whatever it is called."""

CAT = {"file": "moved.pth", "sha256": "0a9173ad" + "0" * 56, "role": "prior"}
"""A released prior, of which the first eight digits are published."""


def from_file(*weights: dict[str, str], **changes: Any) -> dict[str, Any]:
    facts = {"origin": "weights from a file", "trained_on": [], "weights": list(weights)}
    return wider(**(facts | changes))


def searching(*weights: dict[str, str], **changes: Any) -> dict[str, Any]:
    prior = {"name": "p", "trained_on": [{"data": "LSUN cat"}]}
    return bicubic(**({"weights": list(weights), "prior": prior} | changes))


def method(**words: Any) -> dict[str, Any]:
    return {"config": {"method": {"name": "scgan", **words}}}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (from_file(RELEASED), "released weights"),
        (from_file(RELEASED | {"role": "checkpoint"}), "released weights"),
        (from_file(RELEASED | {"role": "loss"}), "open"),
        (from_file(RELEASED, method="pan"), "open"),  # of another method
        (from_file(RELEASED | {"file": "x.pth"}), "open"),
        (from_file({"file": "a.pth", "sha256": "1", "role": "init"}, RELEASED), "released weights"),
        (from_file(FIT, method="pulse"), "released weights"),
        (from_file(FIT | {"file": "gaussian_fit.pt", "sha256": "0" * 64}, method="pulse"), "open"),
        (from_file(**method(weights="scgan")), "released weights"),
        (from_file(**method(weights="psp_sr")), "open"),
        (searching(CAT), "released weights"),
        (searching(CAT | {"sha256": "1" * 64}), "open"),
        (searching(CAT, prior=None), "no training"),
        (searching(CAT, origin="trained here"), "open"),
        (searching(prior={"name": "p"}), "open"),
        (searching(CAT, origin="images from elsewhere"), "images from elsewhere"),
    ],
)  # fmt: skip
def test_divisions(record: dict[str, Any], expected: str) -> None:
    assert division(record) == expected


def texts(record: dict[str, Any]) -> list[str]:
    return [mark.text for mark in row_marks(record)]


def of_budget(images: int, declared: int = 1000, **changes: Any) -> dict[str, Any]:
    return wider(budget={"images": images, "declared": declared}, **changes)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (of_budget(100), ["smoke budget"]),
        (of_budget(101), ["10% of its budget"]),
        (of_budget(999), ["100% of its budget"]),
        (of_budget(1000), []),
        (of_budget(2000), []),
        (of_budget(0, declared=0), []),
        (of_budget(1, origin="weights from a file"), []),
        (of_budget(500, scale="slim"), ["50% of its budget", "scale=slim"]),
        (of_budget(500, scale=None), ["50% of its budget"]),
    ],
)
def test_budgets(record: dict[str, Any], said: list[str]) -> None:
    assert texts(record) == said


def test_what_is_only_smaller_is_no_smoke_budget() -> None:
    assert is_smoke(of_budget(100))
    assert not is_smoke(of_budget(101))
    assert not is_smoke(wider(scale="slim"))
    assert not is_smoke(wider(verified=[{"verdict": "differs"}]))


def shows(recipe: str, role: str = "test") -> dict[str, Any]:
    return {"data_sources": [{"recipe": recipe, "images": {role: 9}}]}


def trained(recipe: str, role: str = "train", data: str = "mine") -> dict[str, Any]:
    sources = [{"recipe": recipe, "images": {role: 9}}]
    return {"trained_on": [{"data": data, "images": 9, "sources": sources}], "test_overlap": None}


@pytest.mark.parametrize(
    ("facts", "said", "disqualified"),
    [
        (shows("ffhq") | trained("ffhq"), ["trained on ffhq"], True),
        (shows("ffhq") | trained("ffhq", "train_lr"), ["trained on ffhq"], True),
        (shows("ffhq") | trained("ffhq", "val"), [], False),
        (shows("ffhq", "train") | trained("ffhq"), [], False),
        (shows("ffhq") | trained("ffhq", data="scgan_ffhq"), [], False),
        (shows("celebahq") | trained("celeba"), ["trained on celeba"], False),
        (shows("celeba") | trained("celebahq"), ["trained on celebahq"], False),
        (shows("ffhq") | trained("celeba"), [], False),
        (
            shows("celeba") | trained("celebahq") | {"test_overlap": {"known": True, "images": 0}},
            ["trained on celebahq"], False,  # under other names: keys cannot tell
        ),
        (shows("ffhq") | trained("ffhq") | {"test_overlap": {"known": True, "images": 0}}, [], False),
        (
            shows("ffhq") | trained("ffhq") | {"test_overlap": {"known": True, "images": 1}},
            ["trained on 1 of the test images"], True,
        ),
        (
            shows("ffhq") | trained("celeba") | {"test_overlap": {"known": False}},
            ["training data unknown"], False,
        ),
        ({"test_overlap": {"known": False}}, [], False),  # on the protocol's own data
        ({"trained_on": [], "test_overlap": {"known": True, "images": 0}}, [], False),
    ],
)  # fmt: skip
def test_overlap(facts: dict[str, Any], said: list[str], disqualified: bool) -> None:
    record = wider(**({"data": "scgan_ffhq"} | facts))
    assert texts(record) == said
    assert any(mark.disqualifies for mark in row_marks(record)) == disqualified


def of_prior(words: str) -> dict[str, Any]:
    return {"prior": {"name": "p", "trained_on": [{"data": words}]}}


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (of_prior("FFHQ 1024") | shows("ffhq"), ["prior saw ffhq"]),
        (of_prior("ffhq and more") | shows("ffhq"), ["prior saw ffhq"]),
        (of_prior("CelebA-HQ") | shows("celebahq"), ["prior saw celebahq"]),
        (of_prior("LSUN cat") | shows("ffhq"), []),
        (of_prior("FFHQ 1024") | shows("ffhq", "train"), []),
        (of_prior("widerface") | shows("widerface"), []),
        ({"prior": None} | shows("ffhq"), []),
    ],
)
def test_priors_of_others(facts: dict[str, Any], said: list[str]) -> None:
    assert texts(wider(**({"data": "scgan_ffhq"} | facts))) == said


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("own", ["adapted by 3"]), ("direct", ["adapted by 3"]), ("none", ["source only"]),
        ("asm", ["adapted by 3", "our reading"]),
    ],
)  # fmt: skip
def test_adaptation(strategy: str, said: list[str]) -> None:
    facts = {"k": 3, "seeds": [1, 2], "conditions": ["a"], "strategy": strategy}
    found = row_marks(wider(adaptation=facts))
    assert [mark.text for mark in found] == said
    assert found[0].why == "mean over 1 conditions and 2 draws of exemplars"


@pytest.mark.parametrize(
    ("key", "network", "marked"),
    [
        ("fid@x-train", "fid_inception", True), ("kid@x", "fid_inception", True),
        ("fid_n500@x", "fid_inception", True), ("fid_jk@x", "fid_inception", True),
        ("fid@x", "vgg16", False), ("lpips_squeeze", "squeezenet1_1", True),
        ("lpips_vgg", "vgg19", False), ("niqe", "fid_inception", False),
        ("identity_cos@facenet-own", "facenet_vggface2", True),
        ("identity_cos@mobilefacenet", "mobilefacenet_casia", True),
        ("identity_cos@mobilefacenet_y1", "mobilefacenet_y1", True),
        ("identity_cos@mobilefacenet_y1-own", "mobilefacenet_casia", False),
        ("fid@arcface", "arcface_irse50", True),
    ],
)  # fmt: skip
def test_networks_in_the_loss(key: str, network: str, marked: bool) -> None:
    found = cell_marks(key, wider(loss_networks=["other", network]))
    assert bool(found) == marked
    assert all(mark.disqualifies and mark.why.startswith(network) for mark in found)


# -- status ---------------------------------------------------------------------------------------


def without(key: str) -> dict[str, Any]:
    return {name: m for name, m in wider()["metrics"].items() if not name.startswith(key)}


def elsewhere() -> dict[str, Any]:
    return {"name": "scgan_widerface-16", "version": 1, "hash": "b" * 64}


@pytest.mark.parametrize(
    ("record", "name", "said"),
    [
        (wider(), "reproducing", "every number"),
        (wider(metrics=without("fid")), "golden-equal", "Widerface: FID not measured"),
        (wider(40, metrics=without("niqe")), "golden-equal", "Widerface: NIQE not measured"),
        (wider(metrics=without("x") | {"fid@a": metric(40)}), "reproducing", "every number"),
        (wider(verified=[{"verdict": "differs"}]), "golden-equal", "differs when made again"),
        (wider(verified=[{"verdict": "verified"}]), "reproducing", "every number"),
        (wider(scale="slim"), "golden-equal", "scale=slim"),
        (wider(scale="slim", origin="weights from a file"), "golden-equal", "scale=slim"),
        (wider(scale=None), "reproducing", "every number"),
        (wider(n_images=2001), "golden-equal", "2,001 images instead of the paper's 2,000"),
        (wider(n_images=16, protocol=elsewhere()), "golden-equal", "16 images instead"),
        (of_budget(999), "golden-equal", "100% of its budget"),
        (of_budget(1000), "reproducing", "every number"),
    ],
)
def test_statuses(record: dict[str, Any], name: str, said: str) -> None:
    found = status_of(record)
    assert (found.name, said in found.reason) == (name, True), found.reason


def pulse(scale: str) -> dict[str, Any]:
    """A search of fewer steps at scale=smoke, on the protocol Pro-PULSE prints it on."""
    return bicubic(
        method="pulse", scale=scale, n_images=5817, data="propulse_celebahq",
        protocol={"name": "propulse_celebahq", "version": 2, "hash": "c" * 64},
        config={"method": {"name": "pulse", "_target_": "facesr_bench.methods.pulse.PULSE"}},
    )  # fmt: skip


def test_a_shorter_search_is_not_the_papers_though_nothing_was_trained() -> None:
    smoke, full, slim = (status_of(pulse(scale)) for scale in ("smoke", "full", "slim"))
    assert (smoke.name, smoke.reason.endswith("scale=smoke")) == ("golden-equal", True)
    for found in (full, slim):  # its YAML knows no slim search
        assert (found.name, "FID 271" in found.reason) == ("not reproducing", True), found.reason


def test_a_stand_in_is_no_measurement() -> None:
    metrics = wider()["metrics"]
    metrics["fid@ffhq64-scgan-train"]["settings"] = {"stand_in": True}
    assert "FID not measured" in status_of(wider(metrics=metrics)).reason


def test_one_number_outside_is_enough_and_is_the_one_told() -> None:
    metrics = wider()["metrics"]
    metrics["niqe_up192"]["value"] = 60.0
    found = status_of(wider(metrics=metrics))
    assert found.name == "not reproducing"
    assert "NIQE 60 against" in found.reason
    assert "FID" not in found.reason
    del metrics["fid@ffhq64-scgan-train"]  # what is measured and wrong is wrong without the others
    assert status_of(wider(metrics=metrics)).name == "not reproducing"


def test_code_of_others_under_one_of_our_names_has_no_evidence() -> None:
    mine = wider(scale="slim")
    mine["config"]["method"]["_target_"] = "facesr_bench.methods.mine.Mine"
    assert status_of(mine).name == "working"
    mine["config"]["method"]["_target_"] = "facesr_bench.methods.scgan.SCGAN"
    mine["method"] = "mine"  # no paper prints it, but its code is SCGAN's
    assert status_of(mine).name == "golden-equal"
