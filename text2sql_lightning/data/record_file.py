"""Records of a large file, left on disk: each is read when it is asked for.

What is kept in memory is where each line begins, eight bytes a record, so a million records take little more than a
thousand. Every line is checked once, when the file is opened.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, overload

from text2sql_lightning.data.jsonl import parse_line, read_lines
from text2sql_lightning.data.records import Record, parse_record, read_records
from text2sql_lightning.errors import DataError

LARGE: Final = 5000
"""Records from which on a file is left on disk."""

_SMALL_FILE: Final = 1 << 20
"""Bytes below which it is not worth looking."""


def open_records(
    path: str | Path, require_output: bool = True, look: Callable[[Record], Any] | None = None
) -> Sequence[Record]:
    """Check a file of records, and give them.

    Args:
        path: A .jsonl or .jsonl.gz file.
        require_output: Whether a record without SQL is an error.
        look: Called with every record once, in order.

    Returns:
        The records in the order of the file, at least one: in memory, or, where a file that is not compressed has
        5,000 or more, read from it one by one. It must not change meanwhile.

    Raises:
        DataError: As `records.read_records`.
    """
    path = Path(path)
    if path.suffix == ".gz" or not path.is_file() or path.stat().st_size < _SMALL_FILE:
        records = read_records(path, require_output)
        if look is not None:
            for record in records:
                look(record)
        return records
    on_disk = RecordFile(path, require_output, look)
    # An id that occurs twice is left to the other reader: it names both lines.
    return on_disk if len(on_disk) >= LARGE and on_disk.ids_differ else read_records(path, require_output)


class RecordFile(Sequence[Record]):
    """The records of a .jsonl file, which is read through once and checked.

    Args:
        path: The file.
        require_output: Whether a record without SQL is an error.
        look: Called with every record once, in order.

    Attributes:
        ids_differ: Whether no two records have the same id.

    Raises:
        DataError: The file or one of its lines is not as it should be.
    """

    def __init__(self, path: Path, require_output: bool = True, look: Callable[[Record], Any] | None = None) -> None:
        import numpy as np

        self.path = path
        self.require_output = require_output
        self._starts = array("q")
        hashes = array("q")
        start = 0
        for number, line in read_lines(path):
            if line.strip():
                record = self._parse(line, number)
                self._starts.append(start)
                hashes.append(hash(record.id))
                if look is not None:
                    look(record)
            start += len(line)
        self.ids_differ = len(np.unique(np.asarray(hashes))) == len(hashes)

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

    def _read(self, starts: Sequence[int]) -> Iterator[Record]:
        with self.path.open("rb") as file:
            for start in starts:
                if file.tell() != start:
                    file.seek(start)
                try:
                    yield self._parse(file.readline(), 1 if start == 0 else 2)
                except DataError as error:
                    raise DataError(f"{self.path} has changed since it was opened; start again") from error

    def _parse(self, line: bytes, number: int) -> Record:
        return parse_record(parse_line(line, self.path, number), self.path, number, require_output=self.require_output)
