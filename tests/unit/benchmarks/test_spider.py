import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.benchmarks.spider import BIRD, SPIDER, FolderFormat, folder_rows
from text2sql_lightning.data.sources import RawRow
from text2sql_lightning.errors import DataError
from text2sql_lightning.prepare.clean import CleanRow, clean_row
from text2sql_lightning.sql.sample_values import SampleSettings

pytestmark = pytest.mark.unit

TABLES = {
    "db_id": "shop",
    "table_names_original": ["item", "sale"],
    "column_names_original": [[-1, "*"], [0, "id"], [0, "name"], [1, "item_id"]],
    "column_types": ["text", "number", "text", "number"],
    "primary_keys": [1],
    "foreign_keys": [[3, 1]],
}
CONTEXT = (
    "CREATE TABLE item (id number PRIMARY KEY, name text); "
    "CREATE TABLE sale (item_id number, FOREIGN KEY (item_id) REFERENCES item (id))"
)


def question(text: str, sql: str, **more: Any) -> dict[str, Any]:
    return {"db_id": "shop", "question": text, "query": sql, "SQL": sql, **more}


def write(folder: Path, database: str = "database", **files: Any) -> Path:
    path = folder / database / "shop" / "shop.sqlite"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE item (id, name); CREATE TABLE sale (item_id); INSERT INTO item VALUES(1,'tea')"
        )
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def rows(folder: Path, layout: FolderFormat = SPIDER, **options: Any) -> list[RawRow]:
    return list(folder_rows(folder, layout, **options))


def message(folder: Path, layout: FolderFormat = SPIDER) -> str:
    with pytest.raises(DataError) as caught:
        rows(folder, layout)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(folder), "DIR")


def test_training_files_and_never_dev(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "spider",
        tables=[TABLES],
        train_spider=[question("How many?", "SELECT count(*) FROM item")],
        train_others=[question("Which?", "SELECT name FROM item")],
        dev=[question("Test?", "SELECT id FROM item")],
    )
    found = rows(folder)
    assert [(row.question, row.index, row.original_split) for row in found] == [
        ("How many?", 0, "train_spider"),
        ("Which?", 1, "train_others"),
    ]
    assert found[0].context == CONTEXT
    assert found[0].context is found[1].context
    assert (found[0].source, found[0].database) == ("spider", folder / "database" / "shop" / "shop.sqlite")
    assert found[0].full_schema
    assert not found[0].own_database
    assert [row.question for row in rows(folder, allow_dev=True)] == ["How many?", "Which?", "Test?"]


def test_a_folder_with_the_test_alone_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "spider", tables=[TABLES], dev=[question("Test?", "SELECT 1")])
    assert message(folder).startswith("DIR has dev.json, which is the test, and no train_spider.json or train_others")
    assert "--allow_dev" in message(folder)
    assert len(rows(folder, allow_dev=True)) == 1


def test_bird_s_evidence_follows_the_question(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "bird",
        "train_databases",
        train_tables=[TABLES],
        train=[
            question("How much tea?", "SELECT COUNT(*) FROM item WHERE name = 'tea'", evidence=" tea is\n'tea' "),
            question("All?", "SELECT * FROM item", evidence=None),
        ],
    )
    first, second = rows(folder, BIRD)
    cleaned = clean_row(first, "question")
    assert isinstance(cleaned, CleanRow)
    assert cleaned.question == "How much tea? Hint: tea is 'tea'"
    assert cleaned.question_key == "howmuchtea"
    assert second.evidence == ""
    assert first.database == folder / "train_databases" / "shop" / "shop.sqlite"


def test_without_databases_rows_have_none(tmp_path: Path) -> None:
    folder = write(tmp_path, "elsewhere", tables=[TABLES], train_spider=[question("?", "SELECT 1")])
    assert rows(folder)[0].database is None
    with pytest.raises(DataError, match=r"--sample_values: .* whose \.sqlite file is not there"):
        rows(folder, samples=SampleSettings(2))


def test_a_database_id_is_no_path(tmp_path: Path) -> None:
    entry = TABLES | {"db_id": "../database/shop"}
    folder = write(tmp_path, tables=[entry], train_spider=[question("?", "SELECT 1") | {"db_id": "../database/shop"}])
    assert rows(folder)[0].database is None


def test_sample_values_stand_in_the_schema(tmp_path: Path) -> None:
    folder = write(tmp_path, tables=[TABLES], train_spider=[question("?", "SELECT 1")])
    assert "name text /* e.g. 'tea' */" in rows(folder, samples=SampleSettings(2))[0].context


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[{]", "DIR/train_spider.json, line 1 is not JSON (Expecting property name enclosed in double quotes"),
        ("{}", "DIR/train_spider.json holds a JSON object: a list of objects is expected"),
        ("[1]", "DIR/train_spider.json, entry 0: expected an object, got number"),
        ([question("?", "SELECT 1"), {"db_id": "shop"}], "DIR/train_spider.json, entry 1, field question: missing"),
        (
            [question("?", "x") | {"query": 3}],
            "DIR/train_spider.json, entry 0, field query: expected a string, got num",
        ),
        ([question("?", "x") | {"db_id": "y"}], "DIR/train_spider.json asks database 'y', which DIR has no tables of"),
        ("[]", "DIR holds no questions in train_spider.json"),
        ("[" * 100_000, "DIR/train_spider.json is not usable JSON"),
    ],
)
def test_malformed_questions_are_refused(tmp_path: Path, content: Any, expected: str) -> None:
    assert message(write(tmp_path, tables=[TABLES], train_spider=content)).startswith(expected)


def test_malformed_folders_are_refused(tmp_path: Path) -> None:
    questions = [question("?", "SELECT 1")]
    assert message(tmp_path / "none") == "DIR: no such folder; give a Spider folder"
    assert message(write(tmp_path / "a")).startswith("DIR has no train_spider.json or train_others.json")
    assert message(write(tmp_path / "b", train_spider=questions)).startswith("DIR has no tables.json")
    broken = write(tmp_path / "c", train_spider=questions, tables=[{"db_id": "shop"}])
    assert message(broken).startswith("DIR/tables.json: entry 'shop' of tables.json is malformed")
    latin = write(tmp_path / "d", tables=[TABLES])
    (latin / "train_spider.json").write_bytes(b'[\n{"question": "\xe9"}]')
    assert message(latin) == "DIR/train_spider.json, line 2 is not UTF-8: save the file as UTF-8"
