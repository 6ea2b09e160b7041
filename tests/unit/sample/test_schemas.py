import sqlite3
from collections import Counter

import pytest

from sample.schema import DOMAINS, Domain, make_column, read_domains, spoken
from text2sql_lightning.sql.schema import Schema

pytestmark = pytest.mark.unit

every_domain = pytest.mark.parametrize("hand_written", DOMAINS, ids=lambda one: one.name)


def test_there_are_many_different_domains() -> None:
    assert len(DOMAINS) >= 48
    assert len({one.name for one in DOMAINS}) == len(DOMAINS)
    sizes = Counter(len(one.tables) for one in DOMAINS)
    assert set(sizes) == {1, 2, 3, 4}


def test_no_two_domains_share_a_table_name() -> None:
    names = [one.name.lower() for hand_written in DOMAINS for one in hand_written.tables]
    assert len(set(names)) == len(names)


@every_domain
def test_schema_is_sound(hand_written: Domain) -> None:
    seen: set[str] = set()
    for one in hand_written.tables:
        kinds = Counter(column.kind for column in one.columns)
        assert kinds["key"] == 1
        assert kinds["label"] <= 1
        phrases = [column.phrase for column in one.columns if column.kind != "key"]
        assert len(set(phrases)) == len(phrases)
        targets = [column.target for column in one.refs]
        assert len(set(targets)) == len(targets)
        assert set(targets) <= seen
        if one.bridge:
            assert dict(one.bridge).keys() == set(targets)
        seen.add(one.name)


@every_domain
def test_context_is_understood_by_sqlite_and_by_the_schema_reader(hand_written: Domain) -> None:
    context = hand_written.ddl()
    sqlite3.connect(":memory:").executescript(context)
    schema = Schema.from_ddl(context)
    assert [one.name for one in schema.tables] == [one.name for one in hand_written.tables]
    for read, written in zip(schema.tables, hand_written.tables, strict=True):
        assert [column.name for column in read.columns] == [column.name for column in written.columns]
        assert [column.primary_key for column in read.columns] == [column.kind == "key" for column in written.columns]
        assert [one.ref_table for one in read.foreign_keys] == [one.target for one in written.refs]


def test_columns_are_called_by_their_names() -> None:
    for one in (column for hand_written in DOMAINS for each in hand_written.tables for column in each.columns):
        assert one.phrase in (spoken(one.name), f"number of {spoken(one.name)}")


TOYS = """
toys:
  maker:
    name: {label: [A|B, C|D]}
  toy:
    id: key
    color: {text: red|blue}
    weight: {number: [1, 5], comment: kg, digits: 1}
    parts: {count: [1, 9]}
    maker_id: {ref: maker}
"""


def test_ddl_text() -> None:
    assert read_domains(TOYS)[0].ddl() == (
        "CREATE TABLE maker (maker_id INTEGER PRIMARY KEY, name TEXT); "
        "CREATE TABLE toy (id INTEGER PRIMARY KEY, color TEXT, weight REAL /* kg */, parts INT, "
        "maker_id INT REFERENCES maker (maker_id))"
    )
    assert read_domains(f"{TOYS}  text_type: VARCHAR\n  fk_clause: true\n")[0].ddl() == (
        "CREATE TABLE maker (maker_id INTEGER PRIMARY KEY, name VARCHAR); "
        "CREATE TABLE toy (id INTEGER PRIMARY KEY, color VARCHAR, weight REAL /* kg */, parts INT, "
        "maker_id INT, FOREIGN KEY (maker_id) REFERENCES maker (maker_id))"
    )


def test_columns_from_short_forms() -> None:
    assert spoken("hire_date") == "hire date"
    assert spoken("HireDate") == "hire date"
    assert make_column("name", {"label": ["Red|Blue", "Fox|Owl"]}).values == (
        *("Red Fox", "Red Owl", "Blue Fox", "Blue Owl"),
    )
    assert make_column("name", {"label": "Red| Blue"}).values == ("Red", "Blue")
    assert make_column("goals", {"count": (0, 9)}).phrase == "number of goals"
