"""Reading what W&B leaves offline."""

import json
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from wandb.proto.wandb_internal_pb2 import Record


def offline_file(folder: Path) -> Path:
    """The one run's file, once it is whole: W&B's service writes on after the run has ended."""
    (file,) = (folder / "wandb").glob("offline-run-*/*.wandb")
    for _ in range(240):
        with suppress(DecodeError):
            if any(entry.HasField("exit") for entry in records_of(file)):
                break
        time.sleep(0.25)
    return file


def records_of(path: Path) -> Iterator[Record]:
    """The records of a ``.wandb`` file: LevelDB's log format; W&B's package has no reader any more."""
    data, block = path.read_bytes(), 32768
    assert data[:4] == b":W&B"
    at, parts = 7, b""
    while at + 7 <= len(data):
        left = block - at % block
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        chunk = data[at + 7 : at + 7 + length]
        at += 7 + length
        parts = chunk if kind in (1, 2) else parts + chunk  # full, first | middle, last
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(parts)
            yield record


def items(found: Any) -> dict[str, Any]:
    return {
        item.key or "/".join(item.nested_key): json.loads(item.value_json)
        for item in found
        if item.value_json
    }
