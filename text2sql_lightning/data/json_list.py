"""JSON files that hold one list of objects, as benchmarks ship them, with errors of one line."""

import json
from pathlib import Path
from typing import Any

from text2sql_lightning.data.jsonl import json_type
from text2sql_lightning.errors import DataError


def read_json_list(path: Path) -> list[dict[str, Any]]:
    """Read a list of objects.

    Args:
        path: A .json file.

    Returns:
        The objects in their order.

    Raises:
        DataError: The file is missing, unreadable, not UTF-8, no JSON, or holds anything else than a list of objects;
            names line or entry.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    try:
        entries = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {line} is not UTF-8: save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno} is not JSON ({error.msg}, column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not usable JSON ({error})") from error
    if not isinstance(entries, list):
        raise DataError(f"{path} holds a JSON {json_type(entries)}: a list of objects is expected")
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise DataError(f"{path}, entry {number}: expected an object, got {json_type(entry)}")
    return entries
