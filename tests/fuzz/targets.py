"""What is fuzzed: each target takes bytes and gives a result or a project error, within a second."""

import gzip
import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

from text2sql_lightning.data.records import parse_record, read_records
from text2sql_lightning.data.sources import embedded_rows, iter_rows
from text2sql_lightning.errors import Text2SQLError
from text2sql_lightning.sql.repair import ddl_error, repair_ddl, repair_query
from text2sql_lightning.sql.schema import Schema, schema_id
from text2sql_lightning.text.prompts import INSTRUCTION, format_input
from text2sql_lightning.text.sql_cleaning import ensure_sql_only, is_complete
from text2sql_lightning.text.sql_tokens import is_top_level_ordered, iter_tokens

MOST_SECONDS: Final = 1.0
Target = Callable[[bytes, Path], None]
Result = TypeVar("Result")


def check(target: Target, data: bytes, folder: Path) -> None:
    """Give an input to a target. A project error is fine; all else raises, a second of processor time too."""

    def give() -> None:
        try:
            target(data, folder)
        except Text2SQLError as error:
            check_message(str(error))

    within_a_second(give)


def within_a_second(action: Callable[[], Result]) -> Result:
    """Run something; where it takes long, up to three times: the machine may have been busy with something else."""
    seconds = []
    for _ in range(3):
        started = time.process_time()
        result = action()
        seconds.append(time.process_time() - started)
        if seconds[-1] <= MOST_SECONDS:
            return result
    raise AssertionError(f"took {min(seconds):.1f} s of processor time")


def check_message(message: str) -> None:
    """A message is a line that any terminal and any JSON file can take."""
    assert len(message) < 1000, message[:1000]
    message.encode()


def jsonl(data: bytes, folder: Path) -> None:
    """The bytes as a file of records and as a file of rows; what was read can be written and is the same again."""
    path = folder / "fuzz.jsonl"
    path.write_bytes(data)
    try:
        list(iter_rows(path))
    except Text2SQLError as error:
        check_message(str(error))
    for record in read_records(path, require_output=False):
        line = record.to_json().encode()
        assert parse_record(json.loads(line), path, 1, require_output=False) == record


def gzipped_jsonl(data: bytes, folder: Path) -> None:
    """The bytes as compressed data."""
    path = folder / "fuzz.jsonl.gz"
    path.write_bytes(data)
    list(iter_rows(path))


def clean_sql(data: bytes, folder: Path) -> None:
    """The bytes as what a model wrote."""
    text = text_of(data)
    sql = ensure_sql_only(text)
    assert sql in text
    is_complete(text)
    is_top_level_ordered(text)


def parse_ddl(data: bytes, folder: Path) -> None:
    """The bytes as CREATE TABLE text."""
    text = text_of(data)
    assert all(text[token.start : token.end] == token.text for token in iter_tokens(text))
    repaired = repair_ddl(text)
    assert not repaired.repairs or ddl_error(repaired.text) is None
    repair_query("SELECT order, group FROM index", text)
    schema = Schema.from_ddl(text)
    schema_id(schema)
    schema.to_ddl()


def text_of(data: bytes) -> str:
    """Bytes that are no UTF-8 become lone surrogates, which no text should hold and some do."""
    return data.decode("utf-8", "surrogateescape")


@cache
def corpora() -> dict[str, tuple[bytes, ...]]:
    """Good inputs for each target, most from the embedded sample."""
    rows = embedded_rows()[::97]
    plain = [{"question": row.question, "context": row.context, "answer": row.answer} for row in rows]
    records = [
        {
            "id": f"r{i}",
            "instruction": INSTRUCTION,
            "input": format_input(row.context, row.question),
            "output": row.answer,
            "source": "b",
            "meta": {"row": i, "deep": {"a": [1, 2.5e3, None, True, "é"]}},
        }
        for i, row in enumerate(rows)
    ]
    lines = [json.dumps(entry, ensure_ascii=False).encode() + b"\n" for entry in plain + records]
    lines += [b"".join(lines[start : start + 3]) for start in range(0, len(lines), 5)]
    answers = [row.answer for row in rows]
    answers += [f"Here it is:\n```sql\n{sql};\n```\nIt selects rows.\n### Question:\nNext?" for sql in answers[::3]]
    return {
        "jsonl": tuple(lines),
        "gzipped_jsonl": tuple(gzip.compress(line, mtime=0) for line in lines),
        "clean_sql": tuple(sql.encode() for sql in [*answers, *_ANSWERS]),
        "parse_ddl": tuple(ddl.encode() for ddl in [*(row.context for row in rows), *_SCHEMAS]),
    }


TARGETS: Final[dict[str, Target]] = {target.__name__: target for target in (jsonl, gzipped_jsonl, clean_sql, parse_ddl)}

_ANSWERS: Final = (
    'WITH a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a) SELECT x, "it""s" FROM a -- end\nWHERE x <> \'a;b\';',
    "I would select the name from the table.\n\nselect `name` from [my table] where a = 1 /* b */ order by 1",
)
_SCHEMAS: Final = (
    "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, \"x y\" TEXT DEFAULT 'a,b', r REFERENCES b (k)) | "
    "CREATE TABLE b (k)",
    "CREATE TABLE IF NOT EXISTS `db`.`t` (`id` int(11) NOT NULL COMMENT 'the, id', n decimal(10,2) unsigned, "
    "PRIMARY KEY (`id`), KEY by_n (n), CONSTRAINT f FOREIGN KEY (n) REFERENCES u (n) ON DELETE CASCADE) ENGINE=InnoDB;",
    "CREATE TEMP TABLE t (a INT, -- the first\n b TEXT /* second */, a INT, CHECK (a > 0), UNIQUE (a, b)); "
    "CREATE TABLE t (c); CREATE INDEX i ON t (a); INSERT INTO t VALUES (1);",
    "CREATE TABLE order (group VARCHAR, index INTEGER, 2nd REAL)",
)
