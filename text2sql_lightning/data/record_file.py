"""Records of a large file, left on disk: each is read when it is asked for.

What is kept in memory is where each line begins, eight bytes a record, so a million records take little more than a
thousand. Every line is checked once, when the file is opened, and the file must be the same afterwards.
"""

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, overload

from text2sql_lightning.data.records import Record, parse_record, read_records
from text2sql_lightning.errors import DataError
from text2sql_lightning.files.jsonl import parse_line, read_lines

LARGE: Final = 5000
"""Records from which on a training file is left on disk, and its token ids are kept beside it."""


def open_records(path: str | Path, look: Callable[[Record], Any]) -> Sequence[Record]:
    """Check a file of records with an output, and give them.

    Args:
        path: A .jsonl or .jsonl.gz file.
        look: Called with every record once, in order.

    Returns:
        The records in the order of the file, at least one: a `RecordFile` where a file that is not compressed has 5,000
        or more, else a list.

    Raises:
        DataError: As `records.read_records`.
    """
    path = Path(path)
    if path.suffix == ".gz":
        records = read_records(path)
        for record in records:
            look(record)
        return records
    on_disk = RecordFile(path, look)
    # An id that occurs twice is left to the other reader: it names both lines.
    return on_disk if len(on_disk) >= LARGE and on_disk.ids_differ else read_records(path)


class RecordFile(Sequence[Record]):
    """The records of a .jsonl file, which is read through once and checked.

    Args:
        path: The file.
        look: Called with every record once, in order.

    Attributes:
        ids_differ: Whether no two records have the same id.
        sha256: Hash of the file, hexadecimal.

    Raises:
        DataError: The file or one of its lines is not as it should be; later: the file is another one than it was.
    """

    def __init__(self, path: Path, look: Callable[[Record], Any]) -> None:
        import numpy as np

        self.path = path
        self._starts = array("q")
        self._stamp = _stamp(path)
        ids, start, digest = array("q"), 0, hashlib.sha256()
        for number, line in read_lines(path):
            digest.update(line)
            if line.strip():
                record = self._parse(line, number)
                self._starts.append(start)
                ids.append(hash(record.id))
                look(record)
            start += len(line)
        self._check(_stamp(path))
        self.ids_differ = len(np.unique(np.asarray(ids))) == len(ids)
        self.sha256 = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return list(self._read(self._starts[index]))
        return next(self._read([self._starts[index]]))

    def __iter__(self) -> Iterator[Record]:
        return self._read(self._starts)

    def take(self, indices: Iterable[int]) -> list[Record]:
        """Read some of the records, in the order given."""
        return list(self._read([self._starts[index] for index in indices]))

    def _read(self, starts: Sequence[int]) -> Iterator[Record]:
        try:
            with self.path.open("rb") as file:
                self._check(_stamp(self.path))
                for start in starts:
                    if file.tell() != start:
                        file.seek(start)
                    yield self._parse(file.readline(), 1 if start == 0 else 2)
        except OSError as error:
            raise DataError(f"{self.path} cannot be read any more: {error.strerror or error}") from error

    def _parse(self, line: bytes, number: int) -> Record:
        return parse_record(parse_line(line, self.path, number), self.path, number)

    def _check(self, stamp: tuple[int, ...] | None) -> None:
        if stamp != self._stamp:
            raise DataError(f"{self.path} has changed since it was opened; start again")


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What differs between a file and one that has taken its place or was written to; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
