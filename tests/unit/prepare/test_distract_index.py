import pickle
from pathlib import Path
from random import Random

import pytest

from text2sql_lightning.prepare.distractors.index import ColumnIndex, Neighbour, index_of, is_real
from text2sql_lightning.sql.schema import Schema, schema_id

pytestmark = pytest.mark.unit


def index(**splits: list[str]) -> ColumnIndex:
    schemas = {split: [Schema.from_ddl(text) for text in texts] for split, texts in splits.items()}
    return index_of({split: [(one, schema_id(one)) for one in some] for split, some in schemas.items()}, 0)


def tables(text: str) -> tuple:  # type: ignore[type-arg]
    return Schema.from_ddl(text).tables


def test_generic_names_are_not_real() -> None:
    assert [is_real(name) for name in ("table_name_12", "TABLE_NAME_1", "table_12_3", "song")] == [
        False,
        False,
        True,
        True,
    ]


def test_other_columns_of_the_same_table_in_the_same_split() -> None:
    found = index(
        train=["CREATE TABLE table_7_1 (year VARCHAR, Club VARCHAR)", "CREATE TABLE table_7_1 (club VARCHAR)"],
        test=["CREATE TABLE table_7_1 (grid VARCHAR)", "CREATE TABLE table_7_1 (laps VARCHAR)"],
    )
    (table,) = tables("CREATE TABLE table_7_1 (laps VARCHAR)")
    assert sorted(found.same_table(table, "train")) == ["Club", "club", "year"]
    assert found.same_table(table, "test") == ["grid"]
    assert found.same_table(table, "val") == []


def test_a_word_may_be_a_table_of_several_databases() -> None:
    found = index(train=["CREATE TABLE student (stuid INT, age INT)", "CREATE TABLE student (dorm INT)"])
    (table,) = tables("CREATE TABLE student (StuID INT, name TEXT)")
    assert found.same_table(table, "train") == ["age"]


def test_tables_beside_it() -> None:
    found = index(
        train=[
            "CREATE TABLE student (stuid INT); CREATE TABLE pet (stuid INT, kind TEXT)",
            "CREATE TABLE student (dorm INT); CREATE TABLE hall (dorm INT)",
        ]
    )
    asked = tables("CREATE TABLE student (stuid INT, age INT)")
    assert [(name, sorted(columns)) for name, columns in found.neighbours(asked, "train")] == [
        ("pet", ["kind", "stuid"])
    ]
    assert found.neighbours(asked, "val") == []
    assert Neighbour("pet", ("kind",)).table == "pet"


def test_similar_tables_come_from_train_alone_the_closest_first() -> None:
    found = index(
        train=[
            "CREATE TABLE table_name_1 (surface VARCHAR, date VARCHAR, partner VARCHAR)",
            *(f"CREATE TABLE table_name_{n} (date VARCHAR, other_{n} VARCHAR)" for n in range(40)),
        ],
        test=["CREATE TABLE table_name_2 (surface VARCHAR, secret VARCHAR)"],
    )
    good, weak = found.similar(["Surface", "date"], Random(0))
    assert list(good) == [["partner"]]
    others = list(weak)
    assert len(others) == 23
    assert all(len(columns) == 1 and columns[0].startswith("other_") for columns in others)


def test_a_column_is_a_number_as_often_as_it_was_seen_as_one_doubled() -> None:
    found = index(train=[f"CREATE TABLE t{n} (year {'INTEGER' if n < 2 else 'VARCHAR'})" for n in range(10)])
    rng = Random(0)
    kinds = [found.type_of("year", rng) for _ in range(1000)]
    assert 350 < kinds.count("INTEGER") < 450
    assert set(kinds) == {"INTEGER", "VARCHAR"}
    assert found.type_of("unknown", rng) == ""


def test_equal_tables_are_stored_once() -> None:
    assert len(index(train=[f"CREATE TABLE table_name_{n} (b VARCHAR, a VARCHAR)" for n in range(99)])) == 1
    assert len(index(train=[f"CREATE TABLE table_{n}_1 (b VARCHAR, a VARCHAR)" for n in range(99)])) == 99


def test_another_process_gets_the_file(tmp_path: Path) -> None:
    texts = [
        "CREATE TABLE table_7_1 (year INT, club TEXT)",
        "CREATE TABLE table_7_1 (club TEXT)",
        "CREATE TABLE Student (stuid INT); CREATE TABLE pet (stuid INT, kind TEXT)",
    ]
    schemas = [(Schema.from_ddl(text), schema_id(Schema.from_ddl(text))) for text in texts]
    made = index_of({"train": schemas}, 0, tmp_path / "columns.sqlite")
    pickled = pickle.dumps(made)
    assert len(pickled) < 1000
    for found in (made, pickle.loads(pickled)):
        assert found.same_table(tables(texts[1])[0], "train") == ["year"]
        assert [name for name, _ in found.neighbours(tables("CREATE TABLE pet (stuid INT)"), "train")] == ["Student"]
        assert [list(part) for part in found.similar(["club"], Random(0))] == [[["year"], ["year"]], []]
        assert found.type_of("year", Random(0)) in ("INT", "VARCHAR")
        assert found.split_of(schemas[2][1]) == "train"
        found.close()


def test_the_split_of_a_schema() -> None:
    found = index(val=["CREATE TABLE a (b INT)"])
    assert found.split_of(schema_id(Schema.from_ddl("CREATE TABLE A (B TEXT)"))) == "val"
    assert found.split_of("0") is None
