"""metrics=core, paper, all: what is missing is told before anything runs, or left out and said."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import SMALL, Cli, record_of

NOTHING = {"FACESR_WEIGHTS": "no-such-folder"}


@pytest.fixture
def silent_server() -> Iterator[dict[str, str]]:
    """A server that accepts and never answers, as proxy of everything: whoever asks it hangs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        yield dict.fromkeys(names, address)


def test_all_metrics_without_any_weights(
    cli: Cli, tmp_path: Path, silent_server: dict[str, str]
) -> None:
    done = cli(
        "+method=bicubic", *SMALL, "metrics=all", "metrics.on_missing=skip", "output_dir=out",
        env=NOTHING | silent_server, timeout=600,
    )  # fmt: skip
    record = record_of(tmp_path / "out")
    assert {"psnr_rgb", "ssim_y", "swd_mean@tiny-test"} <= record["metrics"].keys()
    skipped = record["metrics_skipped"]
    weights = {
        "lpips_alex": "alexnet", "lpips_vgg": "vgg16", "lpips_squeeze": "squeezenet1_1",
        "fid_kid": "fid_inception", "fd_squeezenet": "squeezenet1_1", "niqe": "niqe",
        "identity_mobilefacenet": "mobilefacenet_casia", "identity_arcface": "arcface_irse50",
        "identity_facenet": "facenet_vggface2", "faces_yunet": "yunet", "fiq": "faceqnet_v0",
    }  # fmt: skip
    for label, name in weights.items():
        assert f"weights {name!r} are missing" in skipped[label], label
        assert f"facesr-bench weights import FILE --as {name}" in skipped[label]
    assert not record["metrics_failed"]
    assert not set(weights) & record["metrics"].keys()
    assert "not computed" in done.stdout


def test_the_papers_list_is_checked_before_anything_runs(cli: Cli, tmp_path: Path) -> None:
    done = cli(
        "+method=scgan", *SMALL, "metrics=paper", "images=32", "output_dir=out",
        check=False, env=NOTHING,
    )  # fmt: skip
    assert done.returncode == 1
    for name in ("alexnet", "fid_inception", "niqe"):
        assert f"facesr-bench weights import FILE --as {name}" in done.stderr
    assert "vgg16" not in done.stderr  # not in SCGAN's tables
    assert "metrics.on_missing=skip" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("metrics.on_missing=ignore",), "metrics.on_missing=ignore does not exist"),
        (("metrics.only=[psnr]",), "metrics.only names 'psnr', which is no measure"),
    ],
)
def test_misspelt_choices(cli: Cli, words: tuple[str, ...], said: str) -> None:
    done = cli("+method=bicubic", *SMALL, *words, check=False)
    assert done.returncode == 1 and said in done.stderr
