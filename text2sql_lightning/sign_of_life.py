"""Whether a run that says it is running still does: its process, its machine and its heartbeat in run_meta.json."""

import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

HEARTBEAT_S: Final = 30.0
"""A run renews `heartbeat_at` this often."""

_SILENCE: Final = timedelta(minutes=5)
_CLOCK_SLACK_S: Final = 5.0


def this_process() -> dict[str, Any]:
    """Name this process, for another one that comes later: `pid`, `host`, `heartbeat_at`."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "heartbeat_at": now()}


def now() -> str:
    """Give the time as text: ISO 8601, UTC, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def is_alive(meta: Mapping[str, Any]) -> bool:
    """Say whether the process of a run is still there.

    On this machine its process is looked for, and has to have started before the run did; a run of this very process is
    over. Of another machine the heartbeat counts, which may be five minutes old.

    Args:
        meta: The content of `run_meta.json`.
    """
    pid, host, heartbeat = (meta.get(key) for key in ("pid", "host", "heartbeat_at"))
    if not isinstance(pid, int) or not isinstance(heartbeat, str):
        return False
    if host != socket.gethostname():
        return datetime.now(UTC) - datetime.fromisoformat(heartbeat) < _SILENCE
    return pid != os.getpid() and _runs_since(pid, datetime.fromisoformat(str(meta["started_at"])).timestamp())


def _runs_since(pid: int, started: float) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        return bool(process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= started + _CLOCK_SLACK_S)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True
