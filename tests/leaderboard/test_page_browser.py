"""The site in headless Chromium, from file://: sorting and sliders clicked, nothing complains."""

import json
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.leaderboard.page.site import write_site
from facesr_bench.leaderboard.records import find_records

EVIL = "<script>window.evil=1</script><img src=x onerror=window.evil=2>"


@pytest.fixture(scope="module")
def address(with_hr: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("page") / "a site"
    write_site(find_records([with_hr]), out, 2)
    return (out / "index.html").as_uri()


@pytest.fixture
def page(chromium: Any, address: str) -> Any:
    """The page, freshly opened at the size of a laptop, in light."""
    chromium.size(1280, 900)
    chromium.theme("light")
    chromium.open(address)
    return chromium


def column(page: Any, number: int) -> list[str | None]:
    """What a column sorts by, from the top."""
    rows = (
        f"[...document.querySelectorAll('#table tbody tr')].map(r => r.cells[{number}].dataset.v)"
    )
    found: list[str | None] = page.run(rows)
    return found


def test_every_part_is_drawn_without_a_complaint_or_a_request_elsewhere(
    page: Any, address: str
) -> None:
    assert page.problems() == []
    root = address.rsplit("/", 1)[0] + "/"
    assert page.requests()
    assert [url for url in page.requests() if not url.startswith(root)] == []
    for section, drawn in {
        "cost": ".dot",
        "spread": ".hill",
        "compare": "img",
        "subgroups": ".dot",
    }.items():
        assert page.run(f"document.querySelectorAll('#{section} {drawn}').length") >= 3, section
    assert page.run("document.querySelectorAll('.warn').length") == 0


def test_sorting_by_a_click_and_by_the_keyboard(page: Any) -> None:
    page.run("document.querySelectorAll('#table thead button')[1].click()")  # psnr_rgb
    first = column(page, 1)
    assert [float(v or "nan") for v in first] == sorted(
        (float(v or "nan") for v in first), reverse=True
    )
    assert page.run("document.querySelectorAll('#table thead th')[1].ariaSort") == "descending"
    page.run("document.querySelectorAll('#table thead button')[1].focus()")
    page.press("Enter", 13, "\r")
    assert column(page, 1) == first[::-1]
    assert page.run("document.querySelectorAll('#table thead th')[1].ariaSort") == "ascending"
    page.run(
        "document.querySelectorAll('#table thead button')[3].click()"
    )  # lpips: lower is better
    lower = [float(v or "nan") for v in column(page, 3)]
    assert lower == sorted(lower)
    page.run("document.querySelectorAll('#table thead button')[0].click()")
    assert column(page, 0) == ["one", "three", "two"]


def test_what_is_missing_sorts_last_either_way(page: Any) -> None:
    page.run("delete document.querySelectorAll('#table tbody tr')[1].cells[1].dataset.v")
    for _ in range(2):
        page.run("document.querySelectorAll('#table thead button')[1].click()")
        assert (
            page.run("document.querySelectorAll('#table tbody tr')[2].cells[1].dataset.v") is None
        )


def sliders(page: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.run(
        "JSON.stringify({values: [...document.querySelectorAll('.pair input')].map(i => i.value),"
        "cuts: [...document.querySelectorAll('.pair .after')].map(i => getComputedStyle(i).clipPath)})"
    ))  # fmt: skip
    return found


def test_one_slider_moves_all(page: Any) -> None:
    page.run("document.querySelector('#compare').scrollIntoView({behavior: 'instant'})")
    box = page.run(
        "(() => { const b = document.querySelector('.pair input').getBoundingClientRect();"
        "return [b.left, b.top, b.width, b.height]; })()"
    )
    left, top, width, height = box
    before = sliders(page)
    assert set(before["values"]) == {"50"}
    assert len(before["values"]) == 4  # two images of two methods; the third kept none
    middle = top + height / 2
    page.drag(
        [(left + width / 2, middle), (left + width * 0.4, middle), (left + width * 0.2, middle)]
    )
    after = sliders(page)
    assert len(set(after["values"])) == 1
    assert 10 <= int(after["values"][0]) <= 30
    assert set(after["cuts"]) == {f"inset(0px 0px 0px {after['values'][0]}%)"}
    page.run("document.querySelectorAll('.pair input')[3].focus()")
    page.press("ArrowRight", 39)
    moved = sliders(page)
    assert set(moved["values"]) == {str(int(after["values"][0]) + 1)}
    assert set(moved["cuts"]) == {f"inset(0px 0px 0px {moved['values'][0]}%)"}


def choose(page: Any, section: str, number: int, value: str) -> None:
    page.run(
        f"(() => {{ const s = document.querySelectorAll('#{section} select')[{number}];"
        f"s.value = {value!r}; s.dispatchEvent(new Event('change')); }})()"
    )


def test_images_are_those_picked_and_load(page: Any) -> None:
    data = json.loads(page.run("document.getElementById('data').textContent"))["pictures"]
    for rank in ("worst", "median", "best"):
        choose(page, "compare", 2, rank)
        shown = page.run("[...document.querySelectorAll('.face h3')].map(h => h.firstChild.data)")
        assert shown == [data["keys"][place] for place in data["picks"]["0"]["0"][rank]]
    widths = page.run(
        "Promise.all([...document.querySelectorAll('.pair img')].map(i => {"
        "i.loading = 'eager'; return i.decode().then(() => i.naturalWidth); }))"
    )
    assert widths == [16] * 8  # HR left and SR right, of two methods and two images
    choose(page, "compare", 3, "lr")
    assert (
        page.run("document.querySelector('.pair .before').getAttribute('src')").split("/")[2]
        == "lr"
    )


def test_methods_can_be_left_out_of_all_charts_at_once(page: Any) -> None:
    parts = "['#cost .dot', '#spread .hill', '#compare .face:first-of-type figure']"
    count = f"{parts}.map(s => document.querySelectorAll(s).length)"
    assert page.run(count) == [3, 3, 3]
    page.run("document.querySelector('#spread .chips input').click()")
    assert page.run(count) == [2, 2, 2]
    assert page.run("document.querySelector('#cost .chips input').checked") is False


def test_differences_are_paired_by_image(page: Any) -> None:
    choose(page, "spread", 1, "0")
    metric = json.loads(page.run("document.getElementById('data').textContent"))["metrics"][0]
    ours, base = metric["perImage"][1], metric["perImage"][0]
    share = sum(a > b for a, b in zip(ours, base, strict=True)) / len(base)
    said = page.run("document.querySelector('#spread .row').textContent")
    # Half a percent goes up in JavaScript; Python rounds it to even.
    assert f"{int(100 * share + 0.5)} % better" in said


@pytest.mark.parametrize("section", ["cost", "spread", "subgroups"])
def test_every_choice_can_be_drawn(section: str, page: Any) -> None:
    menus = page.run(
        f"[...document.querySelectorAll('#{section} select')]"
        ".map(s => [...s.options].map(o => o.value))"
    )
    for number, values in enumerate(menus):
        for value in values:
            choose(page, section, number, value)
            assert "NaN" not in page.run(f"document.querySelector('#{section} svg').outerHTML")
    assert page.problems() == []


def test_themes(page: Any) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.run(colour)
    page.theme("dark")
    dark = page.run(colour)
    assert light != dark
    page.run("document.getElementById('theme').click()")
    assert (page.run("document.documentElement.dataset.theme"), page.run(colour)) == (
        "light",
        light,
    )
    page.run("document.getElementById('theme').click()")
    page.theme("light")
    assert page.run(colour) == dark
    page.run("localStorage.clear()")


def test_a_narrow_screen_scrolls_only_downwards(page: Any) -> None:
    page.size(360, 700)
    assert page.run("document.documentElement.scrollWidth") <= 360


def test_a_link_to_a_run_opens_it(page: Any) -> None:
    page.run("document.querySelector('a[href=\"#run-1\"]').click()")
    page.run("new Promise(done => setTimeout(done, 50))")
    assert page.run("document.getElementById('run-1').open") is True


def test_hostile_names_run_nothing(chromium: Any, made_up: Any, tmp_path: Path) -> None:
    made_up.make_runs(tmp_path / "runs", [EVIL, "</script>"], 4, side=8)
    write_site(find_records([tmp_path / "runs"]), tmp_path / "out", 1)
    chromium.open((tmp_path / "out" / "index.html").as_uri())
    assert chromium.problems() == []
    assert chromium.run("window.evil === undefined")
    assert chromium.run("document.querySelector('#table tbody a').textContent") == EVIL
    assert EVIL in chromium.run("document.querySelector('#cost svg').textContent")
    # And were something forgotten, the page's policy would stop it.
    chromium.run(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.evil = 3';"
        "document.body.append(s); document.body.insertAdjacentHTML('beforeend',"
        "'<img src=nothing onerror=window.evil=4>'); })()"
    )
    chromium.run("new Promise(done => setTimeout(done, 200))")
    assert chromium.run("window.evil === undefined")
    assert any("Content Security Policy" in problem for problem in chromium.problems())
