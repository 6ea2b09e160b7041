from random import Random

import pytest

from text2sql_lightning.prepare.distractors.distract import extend_ddl, plain_separator
from text2sql_lightning.sql.ddl import Column, ForeignKey, Table
from text2sql_lightning.sql.schema import Schema

pytestmark = pytest.mark.unit

YEAR, LABEL = Column("year", "INTEGER"), Column("label", "VARCHAR")
BAND = Table("band", (Column("id", "VARCHAR"),))


def extend(
    context: str, columns: dict[str, list[Column]], *tables: Table, fixed: tuple[str, ...] = (), seed: int = 0
) -> str:
    return extend_ddl(context, Schema.from_ddl(context), columns, tables, frozenset(fixed), Random(seed))


def test_plain_text_is_shuffled() -> None:
    context = "CREATE TABLE song (name VARCHAR, genre VARCHAR)"
    found = {extend(context, {"song": [YEAR]}, seed=seed) for seed in range(60)}
    assert len(found) == 6
    assert "CREATE TABLE song (year INTEGER, name VARCHAR, genre VARCHAR)" in found


def test_a_primary_key_stays_in_front_and_foreign_keys_stay_valid() -> None:
    table = Table(
        "song",
        (Column("song_id", "INTEGER", primary_key=True), Column("name", "TEXT"), Column("band_id", "INTEGER")),
        (ForeignKey("band_id", "band", "id"),),
    )
    context = Schema((table, BAND)).to_ddl()
    for seed in range(10):
        found = extend(context, {"song": [YEAR, LABEL]}, seed=seed)
        assert found.startswith("CREATE TABLE song (song_id INTEGER PRIMARY KEY, ")
        read = Schema.from_ddl(found)
        assert read.tables[0].foreign_keys == table.foreign_keys
        assert {column.name for column in read.tables[0].columns} == {"song_id", "name", "band_id", "year", "label"}


def test_a_new_table_may_stand_anywhere() -> None:
    found = {extend("CREATE TABLE song (name VARCHAR)", {}, BAND, seed=seed) for seed in range(20)}
    assert found == {
        "CREATE TABLE song (name VARCHAR); CREATE TABLE band (id VARCHAR)",
        "CREATE TABLE band (id VARCHAR); CREATE TABLE song (name VARCHAR)",
    }


def test_a_table_under_a_star_keeps_its_order() -> None:
    context = "CREATE TABLE song (name VARCHAR, genre VARCHAR, size VARCHAR)"
    assert {extend(context, {}, fixed=("song",), seed=seed) for seed in range(10)} == {context}


def test_comments_layout_and_defaults_stay() -> None:
    context = (
        "CREATE TABLE song (\n  id INTEGER PRIMARY KEY, -- its number\n  name TEXT DEFAULT 'a, (b', -- the title\n"
        "  band_id INT REFERENCES band (id),\n  UNIQUE (name)\n);\nCREATE TABLE band (id INT)"
    )
    assert plain_separator(context, Schema.from_ddl(context)) is None
    found = {extend(context, {"song": [YEAR]}, seed=seed) for seed in range(20)}
    assert found == {
        context.replace("  name", "  year INTEGER, name"),
        context.replace("  band_id", "  year INTEGER, band_id"),
    }
    assert extend(context, {}, Table("label", (LABEL,))) == f"{context};\nCREATE TABLE label (label VARCHAR)"


def test_several_columns_go_in_between() -> None:
    context = "CREATE TABLE song (\n  id INT /* its number */,\n  name TEXT\n)"
    assert extend(context, {"song": [YEAR, LABEL]}) == (
        "CREATE TABLE song (\n  id INT /* its number */,\n  label VARCHAR,\n  year INTEGER,\n  name TEXT\n)"
    )
