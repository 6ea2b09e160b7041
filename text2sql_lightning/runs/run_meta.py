"""`run_meta.json`: what was run, on which code, data and machine, and how it ended.

The file is written before anything is loaded and renewed while the run goes on, so that a run that was killed can be
told from one that still runs.
"""

import os
import platform
import re
import socket
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Final, Literal

from text2sql_lightning.constants import RUN_META_FILE
from text2sql_lightning.files.atomic import write_json
from text2sql_lightning.files.jsonl import JsonObject
from text2sql_lightning.text.prompts import prompt_sha256

Status = Literal["running", "completed", "failed", "interrupted"]
Mode = Literal["train", "smoke", "dry_run", "validate", "test", "predict"]

FORMAT_VERSION: Final = 1
HEARTBEAT_S: Final = 30.0
"""A run renews `heartbeat_at` this often."""

_SILENCE: Final = timedelta(minutes=5)
_CLOCK_SLACK_S: Final = 5.0
_PACKAGES: Final = (
    "text2sql_lightning",
    "torch",
    "lightning",
    "transformers",
    "peft",
    "bitsandbytes",
    "unsloth",
    "datasets",
    "sqlglot",
)


class RunMeta:
    """Keeps `run_meta.json`: written when the run starts, updated when it ends, also when it fails.

    Args:
        folder: The folder of the command's outputs.
        mode: The kind of run.
        config: The resolved configuration, as plain values.
        command: The command line, to repeat the run.

    Attributes:
        path: The file.
        meta: Its content. What is changed here is written with the next update.
    """

    def __init__(self, folder: Path, mode: Mode, config: JsonObject, command: list[str]) -> None:
        self.path = folder / RUN_META_FILE
        self._start = time.monotonic()
        self._lock = Lock()
        self._ended = Event()
        model, data = config.get("model", {}), config.get("data", {})
        self.meta: JsonObject = {
            "format_version": FORMAT_VERSION,
            "mode": mode,
            "status": "running",
            "error": None,
            **{name: model.get(name) for name in ("base_model", "backend", "quantization")},
            "precision": config.get("trainer", {}).get("precision"),
            "train_path": data.get("train_path"),
            "val_path": data.get("val_path"),
            "output_dir": config.get("output_dir"),
            "config": config,
            "seed": config.get("seed_everything"),
            "num_train_examples": None,
            "num_val_examples": None,
            "dropped": {},
            "data_sha256": {},
            "prompt_sha256": prompt_sha256(),
            **git_state(),
            "versions": package_versions(),
            "hardware": hardware(),
            "world_size": 1,
            **this_process(),
            "started_at": now(),
            "finished_at": None,
            "wall_time_s": None,
            "tokens_seen": 0,
            "target_tokens_seen": 0,
            "peak_memory_bytes": None,
            "command": command,
            "decontaminated": None,
            "wandb_run_id": None,
        }

    def begin(self) -> None:
        """Write the file, before anything is loaded, so that a failed load leaves a trace too; then keep it fresh."""
        self._write()
        Thread(target=self._beat, daemon=True, name="heartbeat").start()

    def update(self, **values: object) -> None:
        """Change values and write the file, while the run goes on."""
        if self.meta["status"] == "running":
            self._write(**values)

    def finish(self, status: Status, error: str | None = None) -> None:
        """Write how the run ended; the first call counts."""
        if self.meta["status"] != "running":
            return
        self._ended.set()
        seconds = round(time.monotonic() - self._start, 3)
        end = {"status": status, "error": error, "finished_at": now(), "wall_time_s": seconds}
        self._write(**end, peak_memory_bytes=peak_memory_bytes())

    def fail(self, exception: BaseException) -> None:
        """Write that the run failed, or was interrupted."""
        if isinstance(exception, (KeyboardInterrupt, SystemExit)):  # Ctrl-C, or SIGTERM as Lightning passes it on
            self.finish("interrupted", "interrupted")
        else:
            lines = str(exception).strip().splitlines() or [""]
            self.finish("failed", f"{type(exception).__name__}: {lines[0]}")

    def _write(self, **values: object) -> None:
        with self._lock:
            self.meta.update(values)
            write_json(self.path, self.meta)

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            with suppress(OSError):  # a full disk ends the run where something is lost by it
                self._write(heartbeat_at=now())


def is_alive(meta: JsonObject) -> bool:
    """Return whether the process of a run is still there.

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


def this_process() -> JsonObject:
    """Return what `is_alive` looks for later: `pid`, `host`, `heartbeat_at`."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "heartbeat_at": now()}


def now() -> str:
    """Return the time as text: ISO 8601, UTC, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def package_versions() -> dict[str, str | None]:
    """Return the installed versions of the packages that decide a result; None where one is missing."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def hardware() -> JsonObject:
    """Describe the machine; torch's part only where torch is imported anyway."""
    found: JsonObject = {"platform": platform.platform(), "cpus": os.cpu_count()}
    if (torch := sys.modules.get("torch")) is not None:
        found["threads"] = torch.get_num_threads()
        found["gpus"] = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return found


def git_state() -> JsonObject:
    """Return the commit of the checkout that the package runs from, and whether it has changes; None outside of one."""
    commit = _git("rev-parse", "HEAD")
    return {"git_commit": commit or None, "git_dirty": bool(_git("status", "--porcelain")) if commit else None}


def _git(*arguments: str) -> str:
    folder = Path(__file__).parent
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def peak_memory_bytes() -> int:
    """Return the most memory so far: of tensors on this process's GPU, or of the process where none are there."""
    torch = sys.modules.get("torch")
    if torch is not None and (on_gpu := torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0):
        return int(on_gpu)
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    with suppress(OSError):  # Linux: the process that started this one, whose memory getrusage counts, is not in it
        if found := re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8")):
            return int(found[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
