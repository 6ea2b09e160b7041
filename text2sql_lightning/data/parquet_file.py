"""Parquet files, read a batch at a time, with errors of one line."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from text2sql_lightning.errors import DataError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_BATCH: Final = 1024


def read_parquet(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read text columns of a file; the others are not even decompressed.

    Args:
        path: The file.
        columns: The columns to read.

    Yields:
        The row's position, from 0, and its values by column; a missing value is None.

    Raises:
        DataError: The file is missing or damaged, lacks a column, or has one that is not text.
    """
    import pyarrow

    if not path.is_file():
        raise DataError(f"{path}: {'a folder; give one Parquet file' if path.is_dir() else 'no such file'}")
    index = 0
    try:
        with pyarrow.OSFile(str(path)) as handle:
            file = _open(handle, path, columns)
            for batch in file.iter_batches(batch_size=_BATCH, columns=list(columns)):
                for row in batch.to_pylist():
                    yield index, row
                    index += 1
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path} is damaged or no Parquet file, from row {index} on ({reason})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, row {index} or one of the {_BATCH} after it, is not UTF-8") from error


def _open(handle: Any, path: Path, columns: Sequence[str]) -> "ParquetFile":
    from pyarrow import parquet, types

    file = parquet.ParquetFile(handle)
    schema = file.schema_arrow
    missing = [column for column in columns if column not in schema.names]
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}; it has {', '.join(schema.names)[:200]}")
    for column in columns:
        kind = schema.field(column).type
        value = kind.value_type if types.is_dictionary(kind) else kind
        if not (types.is_string(value) or types.is_large_string(value) or types.is_string_view(value)):
            raise DataError(f"{path}, column {column}: expected text, got {kind}")
    return file
