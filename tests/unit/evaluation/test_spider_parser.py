import pytest

from text2sql_lightning.evaluation.spider.grammar import (
    ColumnUnit,
    Condition,
    GrammarError,
    Item,
    Ordering,
    Query,
    ValueUnit,
    spider_names,
)
from text2sql_lightning.evaluation.spider.parser import parse_query
from text2sql_lightning.sql.schema import Schema

pytestmark = pytest.mark.unit

SCHEMA = Schema.from_ddl(
    "CREATE TABLE Ship (Id INT PRIMARY KEY, Name TEXT, Port INT, FOREIGN KEY (Port) REFERENCES Port (Id));"
    "CREATE TABLE Port (Id INT PRIMARY KEY, City TEXT)"
)
NAMES = spider_names(SCHEMA)


def column(name: str, aggregate: str = "none") -> ValueUnit:
    return ValueUnit("none", ColumnUnit(aggregate, name, False), None)


def test_names() -> None:
    assert NAMES.columns == {"ship": {"id", "name", "port"}, "port": {"id", "city"}}
    assert NAMES.known == {"*", "ship", "port", "ship.id", "ship.name", "ship.port", "port.id", "port.city"}
    assert NAMES.keys == {"ship.port": "ship.port", "port.id": "ship.port"}


def test_key_without_a_column_means_the_primary_key() -> None:
    schema = Schema.from_ddl(
        "CREATE TABLE a (x INT, y INT, FOREIGN KEY (y) REFERENCES b); CREATE TABLE b (c INT, d INT PRIMARY KEY)"
    )
    assert spider_names(schema).keys == {"a.y": "a.y", "b.d": "a.y"}


def test_a_whole_query() -> None:
    sql = (
        "SELECT DISTINCT T1.Name , count(*) FROM Ship AS T1 JOIN Port AS T2 ON T1.Port = T2.Id "
        "WHERE T2.City NOT LIKE 'L%' OR T1.Id IN (SELECT Id FROM Port) GROUP BY T1.Name HAVING count(*) > 2 "
        "ORDER BY T1.Id DESC LIMIT 3"
    )
    ids = Query(False, (Item("none", column("port.id")),), ("port",), (), (), (), (), None, False, "", None)
    assert parse_query(sql, NAMES) == Query(
        distinct=True,
        select=(Item("none", column("ship.name")), Item("count", column("*"))),
        sources=("ship", "port"),
        joins=(Condition(False, "=", column("ship.port"), ColumnUnit("none", "port.id", False), None),),
        where=(
            Condition(True, "like", column("port.city"), '"L%"', None),
            "or",
            Condition(False, "in", column("ship.id"), ids, None),
        ),
        group=(ColumnUnit("none", "ship.name", False),),
        having=(Condition(False, ">", column("*", "count"), 2.0, None),),
        order=Ordering("desc", (column("ship.id"),)),
        limited=True,
        set_operator="",
        other=None,
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM ship AS port",
        "SELECT name FROM ship AS",
        "SELECT city FROM ship",
        "SELECT T3.name FROM ship AS T1",
        "SELECT name AS n FROM ship",
        "SELECT name FROM ship LEFT JOIN port",
        "SELECT name FROM ship WHERE id IS NULL",
        "SELECT name FROM ship WHERE id IN (1, 2)",
        "SELECT name FROM ship LIMIT",
        "SELECT name",
        "name FROM ship",
        "(SELECT name FROM ship",
        "",
    ],
)
def test_not_covered(sql: str) -> None:
    with pytest.raises(GrammarError):
        parse_query(sql, NAMES)
