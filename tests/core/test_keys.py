"""Keys become file names: what some file system cannot hold is refused before anything is written."""

import unicodedata

import pytest

from facesr_bench.data import check_keys
from facesr_bench.errors import DataError


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("a<b.png", "holds '<'"),
        ("a>b.png", "holds '>'"),
        ("C:/b.png", "holds ':'"),
        ('a"b.png', "holds '\"'"),
        ("a|b.png", "holds '|'"),
        ("deep/what?.png", "holds '\\?'"),
        ("*.png", "holds '\\*'"),
        ("a\nb.png", "holds '\\\\n'"),
        ("a\x7f.png", "holds '\\\\x7f'"),
        ("jos\udce9.png", "holds '\\\\udce9'"),
        ("folder./b.png", "ends in a dot or blank"),
        ("folder /b.png", "ends in a dot or blank"),
        ("aux.png", "name of a device on Windows"),
        ("CON/b.png", "name of a device on Windows"),
        ("a/Com1.tar.png", "name of a device on Windows"),
        ("nul .png", "name of a device on Windows"),
        ("é" * 100 + ".png", "has 204 bytes, more than 200"),
        ("a\\b.png", "not a relative POSIX path"),
        ("a\0b.png", "not a relative POSIX path"),
    ],
)
def test_names_some_system_cannot_store_are_refused(key: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        check_keys(["good.png", key])


def test_names_every_system_can_store_pass() -> None:
    check_keys(
        [
            "auxiliary.png", "com10.png", "console/x.png", ".hidden.png", "a b (1) [2], 3.png",
            "e" * 196 + ".png", "é" * 98 + ".png", "会/写真.png", "a..b.png", "0000045/001.png",
            "0--Parade/0_Parade_marchingband_1_849_0001.png", " leading.png",
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("a.png", "a.png", "appears twice"),
        ("a/B.png", "A/b.png", "only in case"),
        ("é.png", unicodedata.normalize("NFD", "é.png"), "how its accents are encoded"),
        ("É.png", unicodedata.normalize("NFD", "é.png"), "only in case"),
        ("straße.png", "STRASSE.png", "only in case"),
    ],
)
def test_two_names_of_one_file_are_refused(one: str, other: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        check_keys([one, other])
