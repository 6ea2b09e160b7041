"""Names of sources as a part of metric names."""

import re
from typing import Final

_NO_PART_OF_NAME: Final = re.compile(r"[^\w.-]+")


def source_slug(source: str) -> str:
    """Write a source's name so that it can be a part of a metric's name.

    Args:
        source: The source, e.g. `b-mc2/sql-create-context`.

    Returns:
        The name with `-` for everything but letters, digits, `_`, `.` and `-`: `b-mc2-sql-create-context`.
    """
    return _NO_PART_OF_NAME.sub("-", source).strip("-") or "unnamed"
