"""Spider from the Hugging Face Hub: questions, schemas, databases. For evaluation only; nothing of it is kept here."""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from text2sql_lightning.errors import DataError
from text2sql_lightning.files.hub import explain, load_hub_dataset, use_cache_if_hub_is_unreachable
from text2sql_lightning.files.jsonl import text_field
from text2sql_lightning.sql.ddl import Column, ForeignKey, Table
from text2sql_lightning.sql.schema import Schema

log = logging.getLogger(__name__)

QUESTIONS: Final = "xlangai/spider"
SCHEMAS: Final = "richardr1126/spider-schema"
DATABASES: Final = "lklimkiewicz/Spider-Raw"
DATABASES_REVISION: Final = "40b5d04cb3836188ea7bf0ac9ed810e1ff432acf"
"""A copy of the original files, `database/<db>/<db>.sqlite`, pinned to this commit."""

_COLUMN: Final = re.compile(r"\s*(?P<name>.+?)\s*\((?P<type>text|number|time|boolean|others)\)\s*(?:,|$)")
_LOCAL: Final = "give a local copy with --spider_dir (dev.json, tables.json, database/)"


def hub_spider() -> tuple[list[Mapping[str, Any]], dict[str, Schema]]:
    """Load the questions of Spider dev (`db_id`, `question`, `query`) and the schemas of their databases.

    Raises:
        DataError: The hub cannot be reached and they are not in the cache, or they are not as expected.
    """
    rows = list(load_hub_dataset(QUESTIONS, "validation", _LOCAL))
    needed = {text_field(row, "db_id", f"{QUESTIONS}, row {index}") for index, row in enumerate(rows)}
    schemas = {str(row.get("db_id")): row for row in load_hub_dataset(SCHEMAS, "train", _LOCAL)}
    lacking = sorted(needed - set(schemas))
    if lacking:
        raise DataError(f"{SCHEMAS} has no schema of {', '.join(lacking)}; {_LOCAL}")
    return rows, {name: read_schema(schemas[name]) for name in sorted(needed)}


def hub_databases(names: Sequence[str]) -> Path | None:
    """Fetch databases into the hub's cache.

    Returns:
        The folder with `<db>/<db>.sqlite`; None, with a warning, where they cannot be had.
    """
    from huggingface_hub import snapshot_download

    use_cache_if_hub_is_unreachable()
    wanted = [f"database/{name}/{name}.sqlite" for name in names]
    try:
        folder = snapshot_download(DATABASES, repo_type="dataset", revision=DATABASES_REVISION, allow_patterns=wanted)
    except Exception as error:  # the client's transport decides what it raises: proxies, TLS, time-outs
        log.warning("no databases: %s", explain(DATABASES, "the dataset", error, kind="dataset"))
        return None
    missing = [path for path in wanted if not (Path(folder) / path).is_file()]
    if missing:
        log.warning("no databases: %s has no %s", DATABASES, missing[0])
        return None
    return Path(folder) / "database"


def read_schema(row: Mapping[str, Any]) -> Schema:
    """Read a row of `richardr1126/spider-schema`.

    `Schema (values (type))` is `table : column (type) , column (type) | table : ...`, `Primary Keys` is `table : column
    | ...`, `Foreign Keys` is `table : column equals table : column | ...`.

    Raises:
        DataError: A part has another form.
    """
    place = f"{SCHEMAS}, {row.get('db_id')}"
    tables = dict(_pair(part, place) for part in _parts(text_field(row, "Schema (values (type))", place)))
    primary = {_folded(_pair(part, place)) for part in _parts(str(row.get("Primary Keys") or ""))}
    foreign: dict[str, list[ForeignKey]] = {}
    for part in _parts(str(row.get("Foreign Keys") or "")):
        source, equals, target = part.partition(" equals ")
        if not equals:
            raise DataError(f"{place}: {part!r} is no foreign key `table : column equals table : column`; {_LOCAL}")
        (table, column), (ref_table, ref_column) = _pair(source, place), _pair(target, place)
        foreign.setdefault(table.lower(), []).append(ForeignKey(column, ref_table, ref_column))
    return Schema(
        tuple(
            Table(name, tuple(_columns(name, text, primary, place)), tuple(foreign.get(name.lower(), ())))
            for name, text in tables.items()
        )
    )


def _columns(table: str, text: str, primary: set[tuple[str, str]], place: str) -> Iterable[Column]:
    found = list(_COLUMN.finditer(text))
    if "".join(match[0] for match in found).strip() != text.strip() or not found:
        raise DataError(f"{place}: the columns of {table} are not `name (type) , name (type)`: {text[:60]!r}; {_LOCAL}")
    for match in found:
        yield Column(match["name"], match["type"], primary_key=_folded((table, match["name"])) in primary)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split("|") if part.strip()]


def _pair(text: str, place: str) -> tuple[str, str]:
    first, colon, second = text.partition(" : ")
    if not colon:
        raise DataError(f"{place}: {text[:60]!r} is not `table : ...`; {_LOCAL}")
    return first.strip(), second.strip()


def _folded(pair: tuple[str, str]) -> tuple[str, str]:
    return pair[0].lower(), pair[1].lower()
