"""Files and folders that appear whole or not at all: written under another name, then moved to their place.

What the system refuses, a full disk above all, is an OSError that names the file or folder.
"""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from text2sql_lightning.errors import Text2SQLError

_SQLITE_FULL: Final = "database or disk is full"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
# How Rust's libraries (safetensors, tokenizers) and Python's spell the number of a system's error.
_ERROR_NUMBER: Final = re.compile(r"os error (\d+)|Os \{ code: (\d+)|\[Errno (\d+)\]")


def system_error(error: BaseException, path: Path) -> OSError | None:
    """Return what the system refused as an OSError that has a path; None where the error is of another kind.

    Args:
        error: What was raised; some libraries say that the disk is full in a text only.
        path: The file or folder to name where the error has none.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error if error.filename is not None else OSError(error.errno, error.strerror, str(path))
    found = None if isinstance(error, Text2SQLError) else _ERROR_NUMBER.search(str(error))
    number = int(found[found.lastindex or 0]) if found else 0
    if str(error) == _SQLITE_FULL:
        number = errno.ENOSPC
    return OSError(number, os.strerror(number), str(path)) if number in _FULL else None


def disk_full(error: BaseException, folder: Path) -> OSError | None:
    """Return the error of a full disk that came first, with a path; None where an error is of another kind.

    Args:
        error: What ended a run. It may come from a logger that Lightning has ended after the first such error, or from
            writing down that the run failed.
        folder: The path to name where nothing more exact is known.
    """
    full = system_error(error, folder)
    if full is None or full.errno not in _FULL:
        return None
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno == full.errno and cause.filename is not None:
            full = cause
            cause = cause.__cause__ or cause  # of `errors_naming`: the same error, with the name of a temporary file
        cause = cause.__context__
    return full


@contextmanager
def errors_naming(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Raise what the system refuses in the block as an OSError that names `path`, also instead of `temporary`."""
    try:
        yield
    except Exception as error:
        named = system_error(error, path)
        if named is None:
            raise
        if temporary is not None and str(named.filename).startswith(str(temporary)):
            named = OSError(named.errno, named.strerror, str(path))
        raise named from error


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield a file to write, next to `path`; it takes the place of `path` when the block ends without an error."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with errors_naming(path, fresh):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield fresh
            fresh.replace(path)
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file; a reader sees the old content or the new, never a part."""
    with replaced_file(path) as fresh, fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file; a reader sees the old content or the new, never a part."""
    write_bytes(path, text.encode())


def append_text(path: Path, text: str) -> None:
    """Append to a UTF-8 text file: all of the text, or nothing of it where the disk is full."""
    with errors_naming(path), path.open("ab", buffering=0) as file:
        size, content = file.tell(), text.encode()
        try:
            while content:
                content = content[file.write(content) :]
        except BaseException:
            file.truncate(size)
            raise


def write_json(path: Path, content: object) -> None:
    """Write indented JSON atomically."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_json_lines(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write one JSON object a line, atomically."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder, next to `path`; it takes the place of `path` when the block ends without an error."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    shutil.rmtree(fresh, ignore_errors=True)
    with errors_naming(path, fresh):
        fresh.mkdir(parents=True)
        try:
            yield fresh
            if path.exists():
                path.rename(old)
            fresh.rename(path)
        finally:
            if old.exists() and not path.exists():
                old.rename(path)
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process has left unfinished in a folder; a folder that it had moved away comes back."""
    for path in folder.glob(".*"):
        left = re.fullmatch(r"\.(.+)\.\d+\.(tmp|old)", path.name)
        if left is None:
            continue
        if left[2] == "old" and not (folder / left[1]).exists():
            path.rename(folder / left[1])
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
