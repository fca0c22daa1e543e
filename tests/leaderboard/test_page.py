"""The site as files: structure, escaping, what is missing said, nothing of others overwritten."""

import base64
import hashlib
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesr_bench.errors import UsageError
from facesr_bench.image_attributes import read_attributes, write_attributes
from facesr_bench.images import encode_png, read_rgb
from facesr_bench.leaderboard.__main__ import main
from facesr_bench.leaderboard.page.board import Board
from facesr_bench.leaderboard.page.picks import choose_images
from facesr_bench.leaderboard.page.runs import read_runs
from facesr_bench.leaderboard.page.site import write_site
from facesr_bench.leaderboard.page.subgroups import break_down
from facesr_bench.leaderboard.records import find_records
from facesr_bench.metrics.scores import read_per_image
from facesr_bench.results import read_record, write_record

EVIL = "<script>window.evil=1</script>\"'&<img src=x onerror=window.evil=2>"


class Reader(HTMLParser):
    """Elements with their attributes, and the text of each kind of element."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._inside = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._inside, []).append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def site_of(runs: Path, out: Path, images: int = 2) -> str:
    write_site(find_records([runs]), out, images)
    return (out / "index.html").read_text()


def data_of(content: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', content, re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


@pytest.fixture(scope="module")
def plain(made_up: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """Runs, site, and the page of three methods on twelve images."""
    runs, out = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("out") / "site"
    made_up.make_runs(runs, ["first", "second", "first"], 12, side=16)
    return runs, out, site_of(runs, out)


def test_the_page_has_every_section_and_needs_nothing_else(plain: tuple[Path, Path, str]) -> None:
    _, out, content = plain
    reader = Reader(content)
    ids = {attributes.get("id") for _, attributes in reader.found}
    assert {"scores", "cost", "spread", "compare", "subgroups", "runs", "run-2"} <= ids
    assert not [a for a in reader.of("script") if "src" in a]
    assert not reader.of("link")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", content)
    data = data_of(content)
    assert [method["name"] for method in data["methods"]] == ["first #1", "second", "first #2"]
    for files in data["pictures"]["files"].values():
        for name in files:
            assert read_rgb(out / name).shape == (16, 16, 3)
    assert {"0", "1", "2"} == set(data["pictures"]["files"])  # SR of all; HR is not at hand


def test_numbers_on_the_page_are_the_records(plain: tuple[Path, Path, str]) -> None:
    runs, _, content = plain
    data = data_of(content)
    metric = next(m for m in data["metrics"] if m["title"] == "psnr_rgb")
    for number in range(3):
        record = read_record(runs / str(number) / "result.json")["metrics"]["psnr_rgb"]
        assert metric["cells"][number]["v"] == pytest.approx(record["value"], rel=1e-5)
        assert metric["cells"][number]["lo"] == pytest.approx(record["ci95"][0], rel=1e-5)
        single = read_per_image(runs / str(number) / "per_image.csv")["psnr_rgb"]
        expected = [single[key] for key in sorted(single)]
        assert metric["perImage"][number] == pytest.approx(expected, rel=1e-5)
        assert f'data-v="{record["value"]!r}"' in content


def test_style_and_script_are_allowed_by_their_hash_alone(plain: tuple[Path, Path, str]) -> None:
    content = plain[2]
    meta = Reader(content).of("meta")
    policy = next(m["content"] or "" for m in meta if m.get("http-equiv"))
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        inside = re.findall(rf"<{tag}>(.*?)</{tag}>", content, re.S)
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        assert len(inside) == 1
        assert f"{directive} 'sha256-{digest}';" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_scripts_never_make_markup_of_text() -> None:
    folder = Path(sys.modules[write_site.__module__].__file__ or "").parent / "assets"
    for path in folder.glob("*.js"):
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(|"
            r"srcdoc|createContextualFragment|DOMParser",
            path.read_text(),
        )
        assert not found, path


def test_hostile_strings_stay_text(made_up: Any, tmp_path: Path) -> None:
    """A label, a metric, a key, a reason, a setting: each is shown, none becomes an element."""
    made_up.make_runs(tmp_path / "runs", [EVIL, "</script><b>"], 4, side=8, write_sr=False)
    for folder in (tmp_path / "runs").iterdir():
        record = read_record(folder / "result.json")
        record["protocol"]["name"] = EVIL
        record["metrics"]["x" + EVIL] = dict(record["metrics"]["psnr_rgb"])
        record["metrics_failed"] = {EVIL: EVIL}
        record["config"] = {EVIL: [EVIL], "data": {"_target_": EVIL}}
        record["device"]["name"] = EVIL
        record["weights"] = [{"name": EVIL, "role": EVIL, "sha256": EVIL}]
        record["origin"] = record["paper"] = record["started"] = EVIL
        write_record(folder / "result.json", record)
        table = folder / "per_image.csv"
        table.write_text(table.read_text().replace("0000/0.png", '"<b onclick=evil()>"'))
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "result.json").write_text("<script>")
    content = site_of(tmp_path / "runs", tmp_path / "out")
    reader = Reader(content)
    scripts = reader.of("script")
    assert [a.get("type") for a in scripts] == ["application/json", None]
    assert not [name for name, a in reader.found if any(n.startswith("on") for n in a)]
    # The page's own img elements are made by its script; "b" only names runs.
    assert not reader.of("img")
    assert len(reader.of("b")) == 2
    assert EVIL in "".join(reader.texts["a"])
    assert EVIL in "".join(reader.texts["h1"])
    assert data_of(content)["methods"][0]["name"] == EVIL
    embedded = re.search(r'id="data">(.*?)</script>', content, re.S)
    assert embedded is not None
    assert "<" not in embedded[1]


def test_what_is_missing_is_said_and_the_page_is_made(made_up: Any, tmp_path: Path) -> None:
    """Each run lacks something else; no fault of one costs the others anything."""
    folders = made_up.make_runs(tmp_path / "runs", ["whole", "no sr", "no table", "odd"], 6, side=8)
    for path in (folders[1] / "sr").rglob("*.png"):
        path.unlink()
    (folders[2] / "per_image.csv").unlink()
    (folders[2] / "attributes.csv").write_text("nonsense")
    (folders[3] / "per_image.csv").write_text("key,psnr_rgb\n0000/0.png,no number\n")
    for path in (folders[0] / "sr").rglob("0.png*"):
        path.write_bytes(b"damaged")
    record = read_record(folders[3] / "result.json")
    record["cost"], record["config"], record["device"] = {}, None, None
    record["metrics"]["psnr_rgb"] |= {"value": None, "ci95": None}
    write_record(folders[3] / "result.json", record)
    (tmp_path / "runs" / "running").mkdir()
    (tmp_path / "runs" / "running" / "config.yaml").touch()
    (tmp_path / "runs" / "running" / "run.log").touch()
    content = site_of(tmp_path / "runs", tmp_path / "out")
    notes = " ".join(data_of(content)["pictures"]["notes"])
    assert "no sr: 6 of 6 images cannot be shown" in notes
    assert "whole: 3 of 6 images cannot be shown. The SR image of 0000/0.png is damaged" in notes
    assert "HR and LR images are not at hand" in notes
    assert "elsewhere.Data, which is not part of facesr-bench" in notes
    assert "The run has no per_image.csv" in content
    assert "The per-image table per_image.csv is damaged" in content
    assert "running has no result.json (running, stopped or killed)" in content
    assert str(folders[2]) not in content


def test_without_images_or_scores_the_page_still_opens(made_up: Any, tmp_path: Path) -> None:
    (folder,) = made_up.make_runs(tmp_path / "runs", ["alone"], 4, side=8, write_sr=False)
    (folder / "per_image.csv").unlink()
    record = read_record(folder / "result.json")
    write_record(folder / "result.json", record | {"metrics": {}})
    data = data_of(site_of(tmp_path / "runs", tmp_path / "out", images=0))
    assert data["metrics"] == []
    assert data["subgroups"] == []
    assert "--images 0" in data["pictures"]["notes"][0]


def test_protocols_have_pages_of_their_own_with_safe_names(made_up: Any, tmp_path: Path) -> None:
    for number in range(2):
        made_up.make_runs(
            tmp_path / "runs" / str(number), ["a"], 4, 8, protocol_hash=f"{number}" * 64
        )
    record = tmp_path / "runs" / "0" / "0" / "result.json"
    content = read_record(record)
    content["protocol"]["name"] = "../../Ü x/"
    write_record(record, content)
    index = site_of(tmp_path / "runs", tmp_path / "out", images=1)
    links = [a["href"] for a in Reader(index).of("a")]
    assert links == ["x-00000000.html", "ovals-11111111.html"]
    for link in links:
        page = (tmp_path / "out" / str(link)).read_text()
        assert "index.html" in [a.get("href") for a in Reader(page).of("a")]
        assert (tmp_path / "out" / data_of(page)["pictures"]["files"]["0"][0]).is_file()


def test_a_site_replaces_a_site_and_nothing_else(made_up: Any, tmp_path: Path) -> None:
    made_up.make_runs(tmp_path / "runs", ["a"], 6, side=8)
    out = tmp_path / "out"
    site_of(tmp_path / "runs", out, images=2)
    before = set(out.rglob("*.png"))
    (out / "CNAME").write_text("mine")
    site_of(tmp_path / "runs", out, images=1)
    assert set(out.rglob("*.png")) < before
    assert (out / "CNAME").read_text() == "mine"
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").touch()
    with pytest.raises(UsageError, match="not a site of facesr-bench"):
        site_of(tmp_path / "runs", tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == [tmp_path / "home" / "thesis.tex"]


def test_a_manifest_cannot_delete_outside_of_the_site(made_up: Any, tmp_path: Path) -> None:
    made_up.make_runs(tmp_path / "runs", ["a"], 4, side=8, write_sr=False)
    (tmp_path / "out").mkdir()
    (tmp_path / "precious").touch()
    (tmp_path / "out" / "site.json").write_text(json.dumps({"files": ["../precious"]}))
    site_of(tmp_path / "runs", tmp_path / "out")
    assert (tmp_path / "precious").exists()


def test_keys_cannot_climb_out_of_the_run(made_up: Any, tmp_path: Path) -> None:
    (folder,) = made_up.make_runs(tmp_path / "runs", ["a"], 4, side=8)
    secret = tmp_path / "runs" / "0" / "secret.png.png"
    secret.write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8)))
    table = folder / "per_image.csv"
    table.write_text(table.read_text().replace("0000/0.png", "../secret.png"))
    data = data_of(site_of(tmp_path / "runs", tmp_path / "out"))
    assert "is not a relative POSIX path" in data["pictures"]["notes"][0]
    assert not list((tmp_path / "out").rglob("*.png"))


def test_home_is_not_published(
    made_up: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/jane.doe")
    config = {"data": {"root": "/home/jane.doe/faces"}, "output_dir": "/home/jane.doe/runs/x"}
    made_up.make_runs(tmp_path / "runs", ["a"], 4, 8, config=config, write_sr=False)
    content = site_of(tmp_path / "runs", tmp_path / "out")
    assert "~/faces" in content
    assert "jane" not in content


@pytest.fixture(scope="module")
def board(plain: tuple[Path, Path, str]) -> Board:
    return Board.of(read_runs(find_records([plain[0]]).records))


def test_worst_median_and_best_are_those_of_the_scores(board: Board) -> None:
    names = [column.key for column in board.columns]
    for name in ("psnr_rgb", "lpips_alex"):
        number = names.index(name)
        picks = {(p.run, p.rank): p.positions for p in choose_images(board, [number], 3)}
        for row, scores in enumerate(board.scores[number]):
            order = np.argsort(scores if name == "psnr_rgb" else -scores).tolist()
            assert list(picks[row, "worst"]) == order[:3]
            assert list(picks[row, "best"]) == order[::-1][:3]
            assert set(picks[row, "median"]) == set(order[4:7])


def test_an_image_without_a_score_is_never_the_worst(board: Board) -> None:
    number = next(iter(board.scores))
    before = board.scores[number].copy()
    worst = choose_images(board, [number], 1)[0].positions[0]
    try:
        board.scores[number][0, worst] = np.nan
        assert choose_images(board, [number], 1)[0].positions[0] != worst
    finally:
        board.scores[number][:] = before


def test_subgroups_are_means_of_their_images_with_the_bootstrap_of_people(board: Board) -> None:
    facts = board.runs[0].facts
    parts = {part.name: part for part in break_down(board, facts)}
    assert {"all images", "domain", "glasses", "age"} == set(parts)
    assert [len(parts[name].groups) for name in ("all images", "glasses", "age")] == [1, 2, 4]
    assert sum(group.images for group in parts["age"].groups) == 12
    names = [column.key for column in board.columns]
    number = names.index("psnr_rgb")
    for value, group in zip((0.0, 1.0), parts["glasses"].groups, strict=True):
        keys = [key for key in board.keys if facts.attributes["glasses"][key] == value]
        for row, run in enumerate(board.runs):
            cell = group.means[number][row]
            assert cell is not None
            assert cell[0] == pytest.approx(np.mean([run.per_image["psnr_rgb"][k] for k in keys]))
            assert cell[1] is not None and cell[2] is not None
            assert cell[1] < cell[0] < cell[2]
    everything = parts["all images"].groups[0]
    assert everything.people == 6


def test_attributes_survive_writing_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "attributes.csv"
    assert not write_attributes(path, ["a"], [None], [{}])
    assert read_attributes(path).attributes == {}
    rows = [{"age": 1 / 3}, {"hat": -0.0, "age": float("nan")}]
    assert write_attributes(path, ["a", "b,\n"], [None, "x"], rows)
    found = read_attributes(path)
    assert found.attributes == {"age": {"a": 1 / 3}, "hat": {"b,\n": 0.0}}
    assert found.domains == {"b,\n": "x"}


def test_the_command_writes_a_site(
    plain: tuple[Path, Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(plain[0]), "--html", str(tmp_path / "out"), "--images", "0"]) == 0
    assert "index.html (1 files" in capsys.readouterr().out


def test_marks_divisions_and_statuses_stand_beside_the_numbers(
    made_up: Any, tmp_path: Path
) -> None:
    """What other views of the table say, the page says: a marked value is never in bold."""
    folders = made_up.make_runs(tmp_path / "runs", ["winner", "other"], 6, side=8, write_sr=False)
    for number, folder in enumerate(folders):
        record = read_record(folder / "result.json")
        record["metrics"]["psnr_rgb"]["value"] = 30.0 - number
        record["metrics"]["ssim_rgb"]["value"] = 0.9 - number / 10
        record["metrics_failed"] = {"niqe": "its network broke"}
        del record["metrics"]["niqe"]
        if number == 0:
            record["test_overlap"] = {"images": 3, "known": True}
            record["budget"] = {"images": 50, "declared": 100}
        else:
            record["metrics"]["fid@x"] = dict(record["metrics"]["psnr_rgb"])
        write_record(folder / "result.json", record)
    content = site_of(tmp_path / "runs", tmp_path / "out", images=0)
    assert "<strong>30.00</strong>" not in content
    assert "<strong>29.00</strong>" in content
    assert "trained on 3 of the test images" in content
    assert "50% of its budget" in content
    assert ">working</span>" in content
    assert "its network broke" in content


def test_one_method_far_off_does_not_hide_how_the_others_differ(
    made_up: Any, tmp_path: Path
) -> None:
    folders = made_up.make_runs(tmp_path / "runs", list("abcde"), 4, side=8, write_sr=False)
    for number, value in enumerate((20.0, 20.2, 20.4, 20.6, 5.0)):
        record = read_record(folders[number] / "result.json")
        ends = [value - 0.1, value + 0.1]
        record["metrics"] = {
            "psnr_rgb": record["metrics"]["psnr_rgb"] | {"value": value, "ci95": ends}
        }
        write_record(folders[number] / "result.json", record)
    content = site_of(tmp_path / "runs", tmp_path / "out", images=0)
    drawn = [float(a["cx"] or "nan") for a in Reader(content).of("circle")]
    assert len(drawn) == 4  # the fifth has its numbers, and no drawing
    assert max(drawn) - min(drawn) > 50
