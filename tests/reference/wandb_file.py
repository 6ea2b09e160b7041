"""Reads W&B's run file, `run-ID.wandb`: a log in LevelDB's format behind a header of seven bytes.

The installed package writes it from a compiled program and has no reader of its own in Python, only the messages in it.
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEADER = 7
BLOCK = 32768
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def chunks(data: bytes) -> Iterator[bytes]:
    """The records of a log; a record may be spread over several blocks of 32 KiB.

    Raises:
        AssertionError: A part has another check sum than the file says, or parts are missing.
    """
    assert data[:4] == b":W&B", data[:HEADER]
    position, pending = HEADER, b""
    while position + 7 <= len(data):
        if BLOCK - position % BLOCK < 7:  # too little room for a header of a part: zeros
            position += BLOCK - position % BLOCK
            continue
        head = data[position : position + 7]
        size, kind = int.from_bytes(head[4:6], "little"), head[6]
        part = data[position + 7 : position + 7 + size]
        assert zlib.crc32(head[6:7] + part) == int.from_bytes(head[:4], "little"), "a check sum disagrees"
        position += 7 + size
        assert (kind in (FULL, FIRST)) == (not pending), "a part is missing"
        pending += part
        if kind in (FULL, LAST):
            yield pending
            pending = b""
    assert not pending, "the last record is cut"


def records(path: Path) -> list[Any]:
    """The messages of a run file, in order."""
    from wandb.proto import wandb_internal_pb2 as messages

    found = []
    for chunk in chunks(path.read_bytes()):
        record = messages.Record()
        record.ParseFromString(chunk)
        found.append(record)
    return found


@dataclass
class RunFile:
    """What one run file says."""

    run_id: str = ""
    project: str = ""
    sweep_id: str = ""
    resume: bool = False
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    system: set[str] = field(default_factory=set)
    x_axis: dict[str, str] = field(default_factory=dict)
    artifacts: list[Any] = field(default_factory=list)
    exit_code: int | None = None


def read_run(path: Path) -> RunFile:
    """Collect a run's configuration, history, names of system metrics, metric definitions, artifacts and exit code."""
    run = RunFile()
    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run.run_id, run.project = record.run.run_id, record.run.project
            run.sweep_id, run.resume = record.run.sweep_id, record.run.resume
            _update(run.config, record.run.config.update)
        elif kind == "config":
            _update(run.config, record.config.update)
        elif kind == "history":
            row: dict[str, Any] = {}
            _update(row, record.history.item)
            run.history.append(row)
        elif kind == "stats":
            run.system |= {item.key for item in record.stats.item}
        elif kind == "metric":
            run.x_axis[record.metric.name or record.metric.glob_name] = record.metric.step_metric
        elif kind == "artifact":
            run.artifacts.append(record.artifact)
        elif kind == "exit":
            run.exit_code = record.exit.exit_code
    return run


def _update(values: dict[str, Any], items: Any) -> None:
    for item in items:
        values[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
