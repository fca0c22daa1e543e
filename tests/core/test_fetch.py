"""Downloads: complete, cut, resumed, wrong, silent. The server is a thread of this process."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from facesr_bench.errors import ConfigError, MissingRequirement, WeightsError
from facesr_bench.weights import fetching
from facesr_bench.weights.__main__ import main
from facesr_bench.weights.cache import file_hash, read_pins, weights_dir
from facesr_bench.weights.fetching import fetch
from facesr_bench.weights.loading import load_state, locate
from facesr_bench.weights.registry import _registry, entry, registry

ENTRY = """\
what: a toy
files: [{{file: toy.pth, sha256: {sha256}}}]
layout: {{kind: torch, count: 1, shapes: {{a: [100000]}}}}
url: {url}
licence: MIT
size_mb: 0.4
"""


class Server(ThreadingHTTPServer):
    """Sends ``content``; what is wrong with it is set by each test.

    Attributes:
        cuts: how many bytes of the body the next answers send before the connection breaks.
        ranges: the Range header of every request.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.kind, self.etag = b"", "application/octet-stream", '"one"'
        self.cuts, self.ranges, self.status = [], [], 200
        self.understands_ranges, self.says_length = True, True
        self.answering = threading.Event()
        self.answering.set()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.ranges.append(asked)
        server.answering.wait(10)
        if server.status != 200:
            self.send_error(server.status)
            return
        start = 0
        same = self.headers.get("If-Range") in (None, server.etag)
        if asked and server.understands_ranges and same:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            total = len(server.content)
            self.send_response(206 if start < total else 416)
            told = f"bytes {start}-{total - 1}/{total}" if start < total else f"bytes */{total}"
            self.send_header("Content-Range", told)
        else:
            self.send_response(200)
        body = server.content[start:]
        if server.says_length:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", server.kind)
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        if server.cuts:
            body = body[: server.cuts.pop(0)]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server with the toy, which is registered with its hash."""
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("FACESR_CONF", str(tmp_path / "conf"))
    monkeypatch.setenv("FACESR_WEIGHTS", str(tmp_path / "weights"))
    torch.save({"a": torch.arange(100_000.0)}, tmp_path / "truth.pth")
    server = Server()
    server.content = (tmp_path / "truth.pth").read_bytes()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def register(sha256=None, url=None):
        (tmp_path / "conf" / "weights").mkdir(parents=True, exist_ok=True)
        url = url or f"http://127.0.0.1:{server.server_port}/files/toy.pth"
        text = ENTRY.format(sha256=sha256 or file_hash(tmp_path / "truth.pth"), url=url)
        (tmp_path / "conf" / "weights" / "toy.yaml").write_text(text)
        _registry.cache_clear()

    server.register = register
    register()
    yield server
    server.answering.set()
    server.shutdown()
    server.server_close()


def left_over():
    return sorted(
        path.name
        for path in (weights_dir() / ".fetching").iterdir()
        if not path.name.endswith(".lock")
    )


def test_a_whole_file_is_verified_taken_in_and_not_fetched_again(server, capsys):
    assert main(["fetch", "toy"]) == 0
    assert str(weights_dir() / "toy.pth") in capsys.readouterr().out
    assert load_state(locate("toy"))["a"][7] == 7 and left_over() == []
    assert main(["fetch", "toy"]) == 0 and "is here already" in capsys.readouterr().out
    assert server.ranges == [None] and not read_pins()


def test_a_cut_download_goes_on_by_itself(server):
    server.cuts = [150_000, 100_000]
    assert fetch("toy") is not None
    assert server.ranges == [None, "bytes=150000-", "bytes=250000-"]
    assert load_state(locate("toy"))["a"][-1] == 99_999


def test_what_was_kept_serves_the_next_call_and_has_not_the_name(server, monkeypatch):
    monkeypatch.setattr(fetching, "ATTEMPTS", 1)
    server.cuts = [150_000]
    with pytest.raises(WeightsError, match=r"0\.1 MB are kept, and the same command goes on there"):
        fetch("toy")
    assert not (weights_dir() / "toy.pth").exists() and left_over() == ["toy.pth", "toy.pth.json"]
    with pytest.raises(MissingRequirement, match=r"weights fetch toy; or get toy.pth"):
        locate("toy")
    assert fetch("toy") is not None and server.ranges[-1] == "bytes=150000-"


@pytest.mark.parametrize("why", ["changed", "no ranges", "no version", "another address"])
def test_a_part_of_something_else_is_not_continued(server, monkeypatch, why):
    monkeypatch.setattr(fetching, "ATTEMPTS", 1)
    server.cuts, right = [150_000], server.content
    server.content = b"x" * len(right)
    server.etag = None if why == "no version" else '"zero"'
    with pytest.raises(WeightsError):
        fetch("toy")
    server.content = right
    server.understands_ranges = why != "no ranges"
    if why in ("changed", "no ranges"):
        server.etag = '"one"'
    if why == "another address":
        server.register(url=f"http://127.0.0.1:{server.server_port}/elsewhere/toy.pth")
    assert fetch("toy") is not None
    assert load_state(locate("toy"))["a"][0] == 0


def test_a_weak_version_may_stand_for_other_bytes(server, monkeypatch):
    """``W/"one"`` says that two files mean the same, not that they are (RFC 9110, 8.8.1)."""
    monkeypatch.setattr(fetching, "ATTEMPTS", 1)
    server.etag, server.cuts = 'W/"one"', [150_000]
    with pytest.raises(WeightsError):
        fetch("toy")
    assert fetch("toy") is not None
    assert server.ranges == [None, None]


def test_a_whole_part_that_was_not_taken_in_yet_is(server):
    folder = weights_dir() / ".fetching"
    folder.mkdir(parents=True)
    (folder / "toy.pth").write_bytes(server.content)
    note = {"url": entry("toy").url, "version": server.etag}
    (folder / "toy.pth.json").write_text(json.dumps(note))
    assert fetch("toy") is not None
    assert server.ranges == [f"bytes={len(server.content)}-"] and left_over() == []
    # One that is longer than the file now is: from the beginning.
    (weights_dir() / "toy.pth").unlink()
    (folder / "toy.pth").write_bytes(server.content + b"more")
    (folder / "toy.pth.json").write_text(json.dumps(note))
    assert fetch("toy") is not None and server.ranges[-1] is None


def test_another_file_is_deleted_and_never_gets_the_name(server):
    server.register("0" * 64)
    with pytest.raises(WeightsError, match=r"is deleted: .* is not toy: its sha256 is .* expected"):
        fetch("toy")
    assert left_over() == [] and not (weights_dir() / "toy.pth").exists()


def test_a_web_page_instead_of_the_file(server):
    server.kind, server.content = "text/html; charset=utf-8", b"<html>Quota exceeded</html>"
    with pytest.raises(WeightsError, match="answers with a web page, not with the file"):
        fetch("toy")
    assert left_over() == []
    server.kind = "application/octet-stream"  # a page that does not say so fails at its hash
    with pytest.raises(WeightsError, match="is deleted"):
        fetch("toy")
    server.register("null")  # and without one, at its layout
    with pytest.raises(WeightsError, match=r"is deleted: .*not a PyTorch checkpoint"):
        fetch("toy")
    assert not read_pins()


def test_a_silent_server_is_left_after_the_timeout(server):
    server.answering.clear()
    with pytest.raises(WeightsError, match=r"the server was silent for 0\.3 s"):
        fetch("toy", timeout=0.3)


def test_an_endless_answer_does_not_fill_the_disk(server):
    server.content, server.says_length = b"x" * 5_000_000, False
    with pytest.raises(WeightsError, match=r"sends more than 2 MB, but 'toy' has 0\.4 MB"):
        fetch("toy")
    assert left_over() == []


def test_errors_of_the_server_and_no_server(server, capsys):
    server.status = 404
    with pytest.raises(WeightsError, match=r"the server says 404 Not Found"):
        fetch("toy")
    server.register(url="http://127.0.0.1:9/toy.pth")
    assert main(["fetch", "toy"]) == 1
    said = capsys.readouterr().err
    assert "cannot be fetched: " in said and "weights import FILE --as toy" in said
    with pytest.raises(ConfigError, match="no weights called 'tyo'"):
        fetch("tyo")


def test_a_file_without_a_published_hash_is_pinned_by_the_first_fetch(server, capsys):
    server.register("null")
    assert main(["fetch", "toy"]) == 0
    assert (
        "Nobody publishes a hash of this file; the one above is recorded" in capsys.readouterr().out
    )
    assert read_pins() == {"toy.pth": locate("toy").sha256}
    (weights_dir() / "toy.pth").unlink()
    torch.save({"a": torch.zeros(100_000)}, weights_dir() / "other")
    server.content = (weights_dir() / "other").read_bytes()
    with pytest.raises(WeightsError, match=r"was recorded when 'toy' was imported.* --replace"):
        fetch("toy")
    kept = weights_dir() / ".fetching" / "toy.pth"  # which of the two is right, a person decides
    assert main(["import", str(kept), "--as", "toy", "--replace"]) == 0
    assert load_state(locate("toy"))["a"].sum() == 0


def test_what_no_program_can_fetch_is_answered_with_what_to_do(server, monkeypatch):
    def never(*_, **__):
        raise AssertionError("no connection may be made")

    monkeypatch.setattr(fetching, "urlopen", never)
    server.register(url="https://drive.google.com/uc?id=abc")
    with pytest.raises(WeightsError) as caught:
        fetch("toy")
    for part in (
        "Google Drive",
        "Open https://drive.google.com/uc?id=abc in a browser, download toy",
    ):
        assert part in str(caught.value)
    assert str(caught.value).endswith("facesr-bench weights import FILE --as toy")
    server.register(url="https://example.org/models (the second table)")
    with pytest.raises(WeightsError, match=r"no address a program could fetch\. Open https://exa"):
        fetch("toy")


def test_only_one_process_fetches_a_file(server):
    from filelock import FileLock

    (weights_dir() / ".fetching").mkdir(parents=True)
    with (
        FileLock(str(weights_dir() / ".fetching" / "toy.pth.lock")),
        pytest.raises(WeightsError, match="being fetched by another process"),
    ):
        fetch("toy")


def test_registered_addresses_are_safe_ones():
    direct = {name: known for name, known in registry().items() if known.direct}
    assert {"vgg19", "resnet50", "stylegan2_ffhq_ada", "pulse_gaussian_fit"} <= set(direct)
    assert all(known.url.startswith("https://") for known in direct.values())
    assert entry("pulse_synthesis").on_drive and entry("yunet").direct is None
