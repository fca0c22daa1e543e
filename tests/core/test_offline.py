"""The guard that keeps the tests off the network works, in this process and in those they start."""

import socket
import subprocess
import sys

import pytest

ATTEMPT = "import socket; socket.create_connection(('203.0.113.1', 80), timeout=0.1)"


def test_no_connection_leaves_this_machine() -> None:
    with socket.socket() as direct, pytest.raises(AssertionError, match=r"connect to \('203\.0"):
        direct.connect(("203.0.113.1", 80))
    with pytest.raises(AssertionError, match=r"look up example\.org"):
        socket.create_connection(("example.org", 80), timeout=0.1)


def test_nor_from_a_process_that_a_test_starts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ATTEMPT], capture_output=True, text=True, check=False, timeout=600
    )
    assert "tests use no network" in done.stderr


def test_this_machine_may_talk_to_itself() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5) as client,
    ):
        assert client.getpeername() == server.getsockname()
