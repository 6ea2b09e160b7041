"""A disk of a few MiB that only this process and its children see, to be filled to the last page."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_NEW_MOUNTS, _RECURSIVE, _SLAVE = 0x00020000, 1 << 14, 1 << 19  # CLONE_NEWNS, MS_REC, MS_SLAVE
_private: list[bool] = []
_hooked: list[bool] = []  # an audit hook stays until the process ends
_watching: list[Callable[[str], None]] = []


@dataclass(frozen=True)
class SmallDisk:
    """A mounted tmpfs.

    Attributes:
        path: Where it is.
    """

    path: Path

    @property
    def ballast(self) -> Path:
        """The file that takes the space."""
        return self.path / "ballast"

    def leave(self, kib: int) -> None:
        """Fill the disk but for so many KiB; 4 are one page."""
        self.free()
        status = os.statvfs(self.path)
        with self.ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(4096, status.f_bavail * status.f_frsize - kib * 1024))

    @contextmanager
    def with_space(self, kib: int) -> Iterator[None]:
        """Leave so many KiB."""
        self.leave(kib)
        yield

    @contextmanager
    def full_from(self, number: int | None) -> Iterator[list[str]]:
        """Fill the disk when, counted from 0, a file or folder on it is about to be opened for writing or made.

        Gives the list of all that have been, which grows. None never fills it.
        """
        opened: list[str] = []

        def watch(path: str) -> None:
            if Path(path).is_relative_to(self.path) and Path(path) != self.ballast:
                opened.append(path)
                if len(opened) - 1 == number:
                    self.leave(0)

        if not _hooked:
            sys.addaudithook(_audit)
            _hooked.append(True)
        _watching.append(watch)
        try:
            yield opened
        finally:
            _watching.remove(watch)

    def free(self) -> None:
        """Take the ballast away."""
        self.ballast.unlink(missing_ok=True)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND
    if _watching and (event == "os.mkdir" or (event == "open" and (arguments[2] or 0) & writes)):
        paths = [os.fsdecode(path) for path in arguments[:1] if isinstance(path, str | bytes | os.PathLike)]
        for watch in list(_watching):
            for path in paths:  # none where a number was opened
                watch(path)


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[SmallDisk]:
    """Mount a tmpfs in a mount namespace of this process; skips the test where that is not permitted."""
    if sys.platform != "linux":
        pytest.skip("a small tmpfs is mounted on Linux only")
    libc = ctypes.CDLL(None, use_errno=True)

    def call(what: str, result: int) -> None:
        if result:
            pytest.skip(f"no small disk here, {what}: {os.strerror(ctypes.get_errno())}")

    if not _private:  # stays until the process ends; nobody else sees what is mounted from here on
        call("unshare", libc.unshare(_NEW_MOUNTS))
        call("mount", libc.mount(None, b"/", None, ctypes.c_ulong(_SLAVE | _RECURSIVE), None))
        _private.append(True)
    folder.mkdir(parents=True, exist_ok=True)
    target = os.fsencode(folder)
    call("mount", libc.mount(b"tmpfs", target, b"tmpfs", ctypes.c_ulong(0), f"size={mib}m".encode()))
    try:
        yield SmallDisk(folder)
    finally:
        libc.umount2(target, 2)  # MNT_DETACH: also where a file is still open
