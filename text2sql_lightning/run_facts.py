"""What `run_meta.json` says about code and machine."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

_PACKAGES: Final = (
    "text2sql_lightning", "torch", "lightning", "transformers", "peft", "bitsandbytes", "unsloth", "datasets",
    "sqlglot",
)  # fmt: skip


def package_versions() -> dict[str, str | None]:
    """Give the installed versions of the packages that decide a result; None where one is missing."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def hardware() -> dict[str, Any]:
    """Describe the machine; torch's part only where torch is imported anyway."""
    found: dict[str, Any] = {"platform": platform.platform(), "cpus": os.cpu_count()}
    if (torch := sys.modules.get("torch")) is not None:
        found["threads"] = torch.get_num_threads()
        found["gpus"] = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return found


def git_state() -> dict[str, Any]:
    """Give the commit of the checkout that the package runs from, and whether it has changes; None outside of one."""
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
    """Give the peak of GPU memory, or of this process's memory where there is no GPU."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
