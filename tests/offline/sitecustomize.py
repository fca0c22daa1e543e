"""No test needs a network: a connection to anywhere but this machine is an error.

Python runs a module of this name at its start, so on ``PYTHONPATH`` it guards the processes that tests
start; ``tests/conftest.py`` calls it for its own.
"""

import ipaddress
import os
import socket
from typing import Any


def is_here(address: Any) -> bool:
    """Whether a socket's address is of this machine: a path, loopback, or "localhost"."""
    if not isinstance(address, tuple) or not address:
        return True  # a Unix socket's path
    host = str(address[0])
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def guard() -> None:
    """Put the check in front of every way to open a connection from Python."""
    if getattr(socket.socket, "guarded", False):
        return
    for name in ("connect", "connect_ex"):
        real = getattr(socket.socket, name)

        def checked(self: socket.socket, address: Any, real: Any = real) -> Any:
            if not is_here(address):
                raise AssertionError(f"A test tried to connect to {address}: tests use no network.")
            return real(self, address)

        setattr(socket.socket, name, checked)
    look_up = socket.getaddrinfo

    def checked_look_up(host: Any, *arguments: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and not is_here((name,)) and name != socket.gethostname():
            raise AssertionError(f"A test tried to look up {name}: tests use no network.")
        return look_up(host, *arguments, **more)

    socket.getaddrinfo = checked_look_up
    socket.socket.guarded = True  # type: ignore[attr-defined]


if os.environ.get("FACESR_TESTS_OFFLINE") == "1":
    guard()
