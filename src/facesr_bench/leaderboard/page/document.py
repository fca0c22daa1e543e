"""One page as one HTML file: style and script inside, allowed by their hash and nothing else."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from facesr_bench.leaderboard.page.board import Board
from facesr_bench.leaderboard.page.details import details
from facesr_bench.leaderboard.page.html import Content, Html, tag, void
from facesr_bench.leaderboard.page.payload import embed
from facesr_bench.leaderboard.page.table import table

_STYLES = ("colours.css", "layout.css", "charts.css", "compare.css")
_SCRIPTS = (
    "dom.js", "table.js", "axes.js", "chooser.js", "scatter.js", "spread.js", "compare.js",
    "subgroups.js", "start.js",
)  # fmt: skip

SECTIONS = (
    ("scores", "Scores"),
    ("cost", "Quality and cost"),
    ("spread", "Image by image"),
    ("compare", "Worst, median, best"),
    ("subgroups", "Subgroups"),
    ("runs", "Runs"),
)


def protocol_page(board: Board, data: dict[str, Any], asides: Sequence[str], home: bool) -> str:
    """The page of one protocol.

    Args:
        board: its runs.
        data: what the charts draw, see :mod:`facesr_bench.leaderboard.page.payload`.
        asides: sentences on what was left out of the site.
        home: whether to link to the list of protocols.
    """
    protocol = board.protocol
    name = name_of(board)
    facts = [
        f"{board.images:,} test images",
        f"{len(board.runs)} runs",
        f"inputs {str(protocol['hash'])[:12]}",
    ]
    people = len(set(board.identities.values()))
    if people:
        facts.insert(1, f"{people:,} people")
    links = [tag("a", title, href=f"#{anchor}") for anchor, title in SECTIONS]
    header = tag(
        "header",
        tag("p", tag("a", "All protocols", href="index.html")) if home else None,
        tag("h1", name),
        tag("p", " · ".join(facts), class_="quiet"),
        _theme_button(),
    )
    body = [
        header,
        tag("nav", *links, aria_label="Sections"),
        tag("main", *_sections(board), _left_out(asides)),
        _footer(),
        tag("script", Html(embed(data)), type="application/json", id="data"),
    ]
    return _document(name, body)


def name_of(board: Board) -> str:
    """The protocol as people call it: "tiny@1"."""
    return f"{board.protocol['name']}@{board.protocol['version']}"


def index_page(rows: Sequence[tuple[str, Board]], asides: Sequence[str]) -> str:
    """The list of protocols.

    Args:
        rows: file name and content of each page.
        asides: sentences on what was left out of the site.
    """
    lines = [
        tag(
            "tr",
            tag(
                "th",
                tag("a", name_of(b), href=file),
                scope="row",
            ),
            tag("td", f"{b.images:,}", class_="number"),
            tag("td", ", ".join(run.name for run in b.runs)),
            tag("td", str(b.runs[-1].record["started"])[:10]),
            tag("td", tag("code", str(b.protocol["hash"])[:12])),
        )
        for file, b in rows
    ]
    heads = ("protocol", "images", "runs", "newest", "inputs")
    grid = tag(
        "table",
        tag("thead", tag("tr", *(tag("th", head, scope="col") for head in heads))),
        tag("tbody", *lines),
    )
    body = [
        tag("header", tag("h1", "Leaderboards"), _theme_button()),
        tag(
            "main",
            tag("p", "Runs share a page only when their test inputs are the same to the bit.",
                class_="quiet"),
            tag("div", grid, class_="scroll", tabindex="0", role="region", aria_label="Protocols"),
            _left_out(asides),
        ),
        _footer(),
    ]  # fmt: skip
    return _document("Leaderboards", body)


def _sections(board: Board) -> list[Html]:
    no_script = tag("noscript", tag("p", "This chart needs JavaScript.", class_="note"))
    inside: dict[str, list[Content]] = {
        "scores": [table(board)],
        "runs": [
            details(run, row, number)
            for number, (run, row) in enumerate(zip(board.runs, board.table.rows, strict=True))
        ],
    }
    return [
        tag("section", tag("h2", title), *inside.get(anchor, [no_script]), id=anchor)
        for anchor, title in SECTIONS
    ]


def _left_out(asides: Sequence[str]) -> Html | None:
    if not asides:
        return None
    items = tag("ul", *(tag("li", sentence) for sentence in asides))
    return tag("section", tag("h2", "Left out"), items, id="left-out")


def _theme_button() -> Html:
    return tag("button", "Theme: as the system", type="button", id="theme", hidden=True)


def _footer() -> Html:
    return tag("footer", "Made by facesr-bench from run records.")


def _document(title: str, body: Sequence[Content]) -> str:
    style, script = _joined(_STYLES), _joined(_SCRIPTS)
    policy = (
        f"default-src 'none'; style-src '{_sha256(style)}'; script-src '{_sha256(script)}'; "
        "img-src 'self' file:; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        void("meta", charset="utf-8"),
        void("meta", http_equiv="Content-Security-Policy", content=policy),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · facesr-bench"),
        tag("style", Html(style)),
    )
    page = tag("html", head, tag("body", *body, tag("script", Html(script))), lang="en")
    return f"<!doctype html>\n{page}\n"


@cache
def _joined(names: Sequence[str]) -> str:
    """Package files one after the other; the script is one strict function, so nothing is global."""
    folder = files("facesr_bench.leaderboard.page") / "assets"
    content = "\n".join((folder / name).read_text(encoding="utf-8") for name in names)
    if names is _SCRIPTS:
        return f'(function () {{\n"use strict";\n{content}\n}})();'
    return content


def _sha256(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
