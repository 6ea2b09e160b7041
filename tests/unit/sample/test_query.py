import pytest

from sample.chooser import Link
from sample.database import FilledDatabase, Query, Select, SetOperation, is_acceptable
from sample.schema import read_domains

pytestmark = pytest.mark.unit

TOYS = read_domains("""
toys:
  maker:
    name: {label: A|B|C|D|E|F|G|H}
  toy:
    color: {text: red|blue|green}
    price: {number: [1, 900]}
    sold: flag
    maker_id: {ref: maker}
""")[0]


@pytest.fixture
def database() -> FilledDatabase:
    return FilledDatabase(TOYS, seed=3)


def test_text_of_a_select() -> None:
    query = Select(("a", "COUNT(*)"), "t", ("b > 1", "c = 'x'"), "a", "COUNT(*) > 2", "COUNT(*) DESC", 3)
    assert query.text() == (
        "SELECT a, COUNT(*) FROM t WHERE b > 1 AND c = 'x' GROUP BY a HAVING COUNT(*) > 2 "
        "ORDER BY COUNT(*) DESC LIMIT 3"
    )
    assert Select(("a",), "t", ("b = 1", "c = 2"), either=True).text() == "SELECT a FROM t WHERE b = 1 OR c = 2"
    assert Select(("a",), "t", distinct=True).text() == "SELECT DISTINCT a FROM t"


def test_text_of_a_set_operation() -> None:
    query = SetOperation(Select(("a",), "t"), "UNION", Select(("b",), "s"))
    assert query.text() == "SELECT a FROM t UNION SELECT b FROM s"


def test_weaker_leaves_out_one_part_at_a_time() -> None:
    query = Select(("a",), "t", ("b > 1", "c = 2"), having="COUNT(*) > 2", group="a", distinct=True)
    assert [variant.text() for variant in query.weaker()] == [
        "SELECT DISTINCT a FROM t WHERE c = 2 GROUP BY a HAVING COUNT(*) > 2",
        "SELECT DISTINCT a FROM t WHERE b > 1 GROUP BY a HAVING COUNT(*) > 2",
        "SELECT DISTINCT a FROM t WHERE b > 1 AND c = 2 GROUP BY a",
        "SELECT a FROM t WHERE b > 1 AND c = 2 GROUP BY a HAVING COUNT(*) > 2",
    ]


def test_joins_start_at_the_table_that_refers() -> None:
    maker, toy = TOYS.tables
    link = Link(toy, toy.refs[0], maker)
    assert link.source() == "toy AS T1 JOIN maker AS T2 ON T1.maker_id = T2.maker_id"


@pytest.mark.parametrize(
    ("query", "verdict"),
    [
        (Select(("color",), "toy", ("color = 'red'",)), True),
        (Select(("color",), "toy", ("color = 'black'",)), False),
        (Select(("color",), "toy", ("price > 0",)), False),
        (Select(("color",), "toy", ("price > 400", "price > 300")), False),
        (Select(("COUNT(*)",), "toy", ("color = 'black'",)), False),
        (Select(("MAX(price)",), "toy", ("color = 'black'",)), False),
        (Select(("color",), "toy", distinct=True), True),
        (Select(("toy_id",), "toy", distinct=True), False),
        (Select(("toy_id",), "toy", order="price DESC"), True),
        (Select(("toy_id",), "toy", order="toy_id"), False),
        (Select(("toy_id",), "toy", order="sold", limit=3), False),
        (Select(("toy_id",), "toy", order="toy_id DESC", limit=3), True),
        (Select(("toy_id",), "toy", order="toy_id DESC", limit=40), False),
        (Select(("color", "COUNT(*)"), "toy", group="color"), True),
        (Select(("color",), "toy", group="color", having="COUNT(*) > 0"), False),
        (Select(("1", "COUNT(*)"), "toy", group="1 + 1"), False),
        (SetOperation(Select(("name",), "maker"), "UNION", Select(("color",), "toy")), True),
        (SetOperation(Select(("color",), "toy"), "EXCEPT", Select(("name",), "maker")), False),
    ],
)
def test_acceptance(database: FilledDatabase, query: Query, verdict: bool) -> None:
    assert is_acceptable(database, query) is verdict


def test_filled_database_is_seeded_and_leaves_parents_without_children(database: FilledDatabase) -> None:
    assert len(database.values["toy", "color"]) == 40
    assert FilledDatabase(TOYS, seed=3).values == database.values
    assert FilledDatabase(TOYS, seed=4).values != database.values
    assert database.rows("SELECT COUNT(*) FROM maker WHERE maker_id NOT IN (SELECT maker_id FROM toy)") >= [(4,)]
