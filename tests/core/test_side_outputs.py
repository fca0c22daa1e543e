"""Side outputs: chosen, stored before the SR image, scored at their own side and named after it."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from facesr_bench.data import FaceData, FaceDataset, Role, Sample
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.degradations.base import Degradation
from facesr_bench.degradations.mirrored import PulseBicubic
from facesr_bench.degradations.resizing import Downscale
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.method import Method
from facesr_bench.metrics.base import ScoreBatch
from facesr_bench.metrics.psnr_ssim import PSNR
from facesr_bench.metrics.suite import MetricSuite
from facesr_bench.scoring import super_resolve_test_set
from facesr_bench.side_outputs import SideStores, chosen_sides, key_at, reduced
from facesr_bench.side_scores import score_sides, suite_at
from facesr_bench.store import SRStore

SETTINGS: dict[str, Any] = {
    "trainer": {"accelerator": "cpu", "devices": 1},
    "method": {"name": "toy"},
    "scale": "full",
    "seed": 1,
}
METRICS: dict[str, Any] = {
    "seed": 1,
    "measures": {
        "psnr_rgb": {"_target_": "facesr_bench.metrics.psnr_ssim.PSNR", "colour": "rgb"},
        "lr_psnr": {"_target_": "facesr_bench.metrics.lr_consistency.LRPSNR"},
    },
}


class Faces(FaceDataset):
    def __init__(self) -> None:
        self.keys = [f"{index}.png" for index in range(5)]

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        hr = rng.integers(0, 256, (32, 32, 3)).astype(np.uint8)
        return Sample(self.keys[index], hr=hr, landmarks=np.full((5, 2), 15.5, np.float32))


class Source(FaceData):
    name = "faces"

    def split(self, role: Role) -> FaceDataset | None:
        return Faces() if role == "test" else None


class Toy(Method):
    """Repeats LR; on the way to 32 pixels it passes 8 and 16."""

    paper = "none"
    trainable = False
    made = 0

    def super_resolve(self, lr: Tensor) -> Tensor:
        return self.side_outputs(lr, [32])[32]

    def side_sizes(self) -> Sequence[int]:
        return (16, 8)

    def side_outputs(self, lr: Tensor, sides: Sequence[int] | None = None) -> dict[int, Tensor]:
        self.made += 1
        repeats = {side: side // lr.shape[2] for side in sides or self.side_sizes()}
        return {
            side: lr.repeat_interleave(r, 2).repeat_interleave(r, 3) for side, r in repeats.items()
        }


def data() -> FaceSRDataModule:
    return FaceSRDataModule(
        "faces", 1, Source(), Downscale(4, "box"), hr_size=32, test_batch_size=2
    )


def make(folder: Path, sides: tuple[int, ...]) -> tuple[Toy, FaceSRDataModule, SideStores]:
    method, module = Toy(), data()
    method.sides_wanted = sides
    stores = SideStores(folder, sides)
    super_resolve_test_set(method, module, SRStore(folder / "sr"), SETTINGS, stores)
    return method, module, stores


def test_names_say_the_side() -> None:
    assert key_at("psnr_rgb", 128) == "psnr_rgb_128px"
    assert key_at("fid@celebahq-test", 128) == "fid_128px@celebahq-test"
    assert key_at("fid_n40@celebahq-test", 128) == "fid_128px_n40@celebahq-test"
    assert key_at("attribute_diff@own/male", 32) == "attribute_diff_32px@own/male"


def test_only_sides_that_are_made_can_be_asked_for() -> None:
    assert chosen_sides(None, Toy()) == chosen_sides([], Toy()) == ()
    assert chosen_sides("all", Toy()) == (8, 16)
    assert chosen_sides([16], Toy()) == (16,)
    for wrong in ([64], "8", True, 16):
        with pytest.raises(ConfigError, match="side outputs of 8, 16 pixels"):
            chosen_sides(wrong, Toy())

    class Plain(Toy):
        def side_sizes(self) -> Sequence[int]:
            return ()

    with pytest.raises(ConfigError, match="Plain makes no side outputs"):
        chosen_sides("all", Plain())


def test_an_image_is_made_when_all_its_sides_are(tmp_path: Path) -> None:
    stores = SideStores(tmp_path, (8, 16))
    stores.stores[8].write(["a"], np.zeros((1, 8, 8, 3), np.uint8))
    assert not stores.is_made("a")
    stores.stores[16].write(["a"], np.zeros((1, 16, 16, 3), np.uint8))
    assert stores.is_made("a")


def test_each_side_is_stored_and_compared_with_hr_of_its_size(tmp_path: Path) -> None:
    _, module, stores = make(tmp_path, (8, 16))
    keys = module.test_set.keys
    assert sorted(p.name for p in (tmp_path / "sr_16").glob("*.png")) == [f"{k}.png" for k in keys]
    scores, asked = score_sides(stores, module, METRICS, range(5), 2, torch.device("cpu"))
    assert set(scores.values) == asked == {
        "psnr_rgb_8px", "psnr_rgb_16px", "lr_psnr_8px", "lr_psnr_16px"
    }  # fmt: skip
    for position, key in enumerate(keys):
        image = Faces()[int(key[0])].hr
        assert image is not None
        hr = torch.from_numpy(image).permute(2, 0, 1)[None].double()
        lr = torch.from_numpy(module.test_set.lr[position]).permute(2, 0, 1)[None].double()
        for side in (8, 16):  # SR at 8 pixels is LR itself
            sr = lr.repeat_interleave(side // 8, 2).repeat_interleave(side // 8, 3)
            means = (avg_pool2d(hr, 32 // side) + 0.5).floor()
            expected = 20 * np.log10(255) - 10 * torch.log10((sr - means).square().mean())
            found = scores.per_image[f"psnr_rgb_{side}px"][key]
            if side == 8:  # Pillow rounds after each axis, so that LR is not quite the means
                assert found > 45
            else:
                assert found == pytest.approx(expected.item(), abs=0.05)
    assert scores.values["psnr_rgb_8px"].value > scores.values["psnr_rgb_16px"].value + 10
    assert scores.values["lr_psnr_16px"].value > 60  # the operator from 16 to 8, not from 32
    settings = scores.values["psnr_rgb_16px"].settings
    assert settings["side"] == 16 and "box" in settings["hr"]


def test_a_metric_that_asks_for_it_gets_the_truth_at_its_own_size(tmp_path: Path) -> None:
    class Sizes(PSNR):
        compares_whole_hr = True
        seen: ClassVar[list[tuple[int, int, Tensor]]] = []

        def update(self, batch: ScoreBatch) -> None:
            assert batch.whole_hr is not None and batch.hr is not None
            self.seen.append((batch.sr.shape[2], batch.hr.shape[2], batch.whole_hr))
            super().update(batch)

    _, module, stores = make(tmp_path, (8, 16))
    made = "facesr_bench.side_scores.suite_at"
    with patch(made, lambda *_: MetricSuite([Sizes("rgb")], seed=1)):
        score_sides(stores, module, METRICS, range(5), 2, torch.device("cpu"))
    assert {(sr, hr) for sr, hr, _ in Sizes.seen} == {(8, 8), (16, 16)}
    whole = torch.from_numpy(module.test_set.hr(0)).permute(2, 0, 1)
    assert torch.equal(Sizes.seen[0][2][0], whole)


def test_the_time_of_an_image_is_the_mean_over_all_of_them(tmp_path: Path) -> None:
    """Three batches take 1, 5 and 9 on a clock of our own; what is there already takes no time."""
    ticks = count()
    with patch("facesr_bench.scoring._now", lambda _: float(next(ticks) ** 2)):
        for expected in (
            {"seconds_mean": 15 / 5, "timed_images": 5, "timed_batch": 2},
            {"seconds_mean": None, "timed_images": 0, "timed_batch": 2},
        ):
            store = SRStore(tmp_path / "sr")
            assert super_resolve_test_set(Toy(), data(), store, SETTINGS).timing() == expected


def test_hr_of_a_side_has_a_hash_of_its_own_and_its_landmarks_move() -> None:
    test_set = data().test_set
    small = reduced(test_set, 16)
    assert small.hr_hash not in (None, test_set.hr_hash, reduced(test_set, 8).hr_hash)
    sample = small.sample(0)
    assert sample.hr is not None and sample.hr.shape == (16, 16, 3)
    assert sample.landmarks is not None and (sample.landmarks == 7.5).all()  # the middle stays it


def test_an_operator_without_another_factor_leaves_bicubic() -> None:
    class Odd(Downscale):
        def at_factor(self, factor: int) -> Any:
            return Degradation.at_factor(self, factor)

    module = FaceSRDataModule("faces", 1, Source(), Odd(4), hr_size=32)
    assert {k for m in suite_at(METRICS, module, 16).metrics for k in m.keys} == {
        "psnr_rgb", "lr_psnr_bicubic"
    }  # fmt: skip
    assert PulseBicubic(4).at_factor(2).settings() == PulseBicubic(2).settings()
    assert Downscale(4, "box").at_factor(2).settings() == Downscale(2, "box").settings()


def test_a_killed_evaluation_makes_a_missing_side_again(tmp_path: Path) -> None:
    first, module, stores = make(tmp_path, (16,))
    digest = stores.facts(module.test_set)["16"]["sr_hash"]
    nothing, *_ = make(tmp_path, (16,))
    assert first.made == 2 * 3 and nothing.made == 0
    stores.stores[16].path("1.png").unlink()
    with pytest.raises(DataError, match="lacks the SR images"):
        stores.facts(module.test_set)
    some, *_ = make(tmp_path, (16,))
    assert some.made == 2
    assert stores.facts(module.test_set)["16"]["sr_hash"] == digest
    # sides asked for later are made, although all of sr/ is there
    assert make(tmp_path, (8, 16))[0].made == 6


def test_other_images_than_the_runs_are_not_scored(tmp_path: Path) -> None:
    _, module, stores = make(tmp_path, (8, 16))
    facts = stores.facts(module.test_set)
    stores.check(facts, module.test_set.keys)
    stores.stores[16].write(["1.png"], np.zeros((1, 16, 16, 3), np.uint8))
    with pytest.raises(DataError, match="sr_16 are not those the run wrote"):
        stores.check(facts, module.test_set.keys)
    stores.drop(module.test_set.keys)
    assert not (tmp_path / "sr_8").exists() and not (tmp_path / "sr_16").exists()
