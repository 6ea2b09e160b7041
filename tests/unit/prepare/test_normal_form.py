import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sql_lightning.prepare.normal_form import normal_query, question_key, question_words

pytestmark = pytest.mark.unit


def test_question_words() -> None:
    assert question_words("What's the  T-shirt_size (é)?") == ["what", "s", "the", "t", "shirt", "size", "é"]


@pytest.mark.parametrize(
    "question",
    [
        "How many T-shirts?",
        "how many t shirts",
        "  HOW   many,\tT-Shirts !",
        "How many \u201cT\u2013shirts\u201d?",
        "How_many t.shirts",
    ],
)
def test_equal_questions_have_one_key(question: str) -> None:
    assert question_key(question) == "howmanytshirts"


@pytest.mark.parametrize(
    ("sql", "canonical", "tables"),
    [
        ("SELECT a FROM t WHERE b = 'x';", "select a from t where b = ?", ("t",)),
        ('select  A from T where B="y"', "select a from t where b = ?", ("t",)),
        ("SELECT T1.a FROM t AS T1 WHERE t1.b > 3.5", "select a from t where b > ?", ("t",)),
        ("SELECT x.a FROM t x JOIN u AS y ON x.i = y.i", "select a from t , u where i = i", ("t", "u")),
        (
            "SELECT t.a FROM t INNER JOIN u ON t.i == u.i ORDER BY t.a ASC",
            "select a from t , u where i = i order ordered ( a )",
            ("t", "u"),
        ),
        ("SELECT COUNT ( * ) AS n FROM t", "select count ( * ) from t", ("t",)),
        ("SELECT a FROM t WHERE a != 1", "select a from t where a <> ?", ("t",)),
        ("SELECT a FROM t WHERE NOT a IN (1, 2)", "select a from t where not a in ?", ("t",)),
        ("SELECT a FROM t WHERE NOT a LIKE '%x'", "select a from t where not like ( a , ? )", ("t",)),
        ("SELECT a FROM t WHERE NOT a IS NULL", "select a from t where not is ( a , null (  ) )", ("t",)),
        ("SELECT a FROM t LIMIT 3, 4", "select a from t limit ? offset ?", ("t",)),
        ("SELECT a FROM t LIMIT 4 OFFSET 3", "select a from t limit ? offset ?", ("t",)),
        ('SELECT "order" FROM t WHERE "group" = "x"', "select order from t where group = ?", ("t",)),
        (
            "SELECT T1.a FROM t AS T1 WHERE T1.i IN (SELECT T1.i FROM u AS T1) UNION SELECT T1.b FROM v AS T1",
            "select a from t where in ( i , ( select i from u ) ) union select b from v",
            ("t", "u", "v"),
        ),
        (
            "SELECT a FROM t AS o WHERE EXISTS (SELECT * FROM u WHERE u.i = o.i)",
            "select a from t where exists ( ( select * from u where i = i ) )",
            ("t", "u"),
        ),
        ("SELECT d.a FROM (SELECT a FROM t) AS d", "select a from ( select a from t )", ("t",)),
        ("SELECT t.a, u.a FROM t, u", "select a , a from t , u", ("t", "u")),
        ("", "", ()),
    ],
)
def test_normal_query(sql: str, canonical: str, tables: tuple[str, ...]) -> None:
    assert (normal_query(sql).canonical, normal_query(sql).tables) == (canonical, tables)


@pytest.mark.parametrize(
    ("sql", "same"),
    [
        ("SELECT a FROM t WHERE b = 'x' AND c > 3", 'select A from t where (C > 5) and (b = "y z")'),
        ("SELECT a FROM t WHERE b = 1 OR (b = 2 AND c = 3)", "SELECT a FROM t WHERE (c = 3 AND b = 2) OR b = 1"),
        ("SELECT count(*) FROM singer", "SELECT COUNT(1) AS n FROM singer AS s;"),
        ("SELECT count(DISTINCT a) FROM t", "SELECT COUNT ( DISTINCT(a) ) FROM t"),
        ("SELECT max(a) FROM t", "SELECT (MAX(a)) FROM t"),
        ('SELECT "a", "b" FROM t ORDER BY "c"', "SELECT b, `a` FROM t ORDER BY [c] ASC"),
        ("SELECT a FROM t WHERE NOT b = 2", "SELECT a FROM t WHERE b <> 5"),
        ("SELECT a FROM t WHERE 3 < b", "SELECT a FROM t WHERE b > 9"),
        ("SELECT a FROM t WHERE b BETWEEN 1 AND 3", "SELECT a FROM t WHERE b >= 2 AND b <= 9"),
        ("SELECT a FROM t WHERE b NOT BETWEEN 1 AND 3 AND c=2", "SELECT a FROM t WHERE c=4 AND b NOT BETWEEN 3 AND 5"),
        ("SELECT a FROM t WHERE b IN ('a', 'b', 'c')", "SELECT a FROM t WHERE b IN ('x', 'y')"),
        ("SELECT a FROM t WHERE b IN ('a')", "SELECT a FROM t WHERE b = 'c'"),
        ("SELECT a FROM t WHERE id NOT IN (SELECT id FROM u)", "SELECT a FROM t WHERE NOT id IN (SELECT u.id FROM u)"),
        ("SELECT a FROM t WHERE x > (SELECT avg(x) FROM t)", "SELECT a FROM t WHERE ((x) > (SELECT AVG(x) FROM t u))"),
        (
            "SELECT T1.name, T2.y FROM a AS T1 JOIN b AS T2 ON T1.id = T2.id WHERE T2.z != 3",
            "SELECT y, name FROM b x, a y WHERE x.id = y.id AND z <> 4",
        ),
        (
            "SELECT T1.n FROM a AS T1 JOIN b AS T2 ON T1.id = T2.aid JOIN c AS T3 ON T2.cid = T3.id GROUP BY T1.id, "
            "T1.x HAVING count(*) >= 2",
            "SELECT t2.n FROM c AS t1 INNER JOIN b AS t3 ON t3.cid=t1.id JOIN a AS t2 ON t3.aid = t2.id GROUP BY t2.x, "
            "t2.id HAVING 3 <= COUNT(*)",
        ),
        ("SELECT a FROM t JOIN u USING (id)", "SELECT a FROM u JOIN t ON u.id = t.id"),
        (
            "SELECT a FROM t WHERE b = 1 INTERSECT SELECT a FROM t WHERE c = 2",
            "SELECT a FROM t WHERE c = 5 INTERSECT SELECT a FROM t WHERE b = 1",
        ),
    ],
)
def test_one_query_in_two_spellings(sql: str, same: str) -> None:
    one, other = normal_query(sql), normal_query(same)
    assert (one.canonical, one.skeleton, one.tables) == (other.canonical, other.skeleton, other.tables)


def test_a_query_that_cannot_be_parsed_is_compared_by_its_tokens() -> None:
    query = normal_query("SELECT a FROM Singer JOIN WHERE b = 'New York' ) AND c = 3;")
    assert query.canonical == "select a from singer join where b = ? ) and c = ?"
    assert (query.skeleton, query.literal_words) == ("", {"new", "york", "3"})
    assert query.canonical == normal_query("select A from singer join where b = 'x' ) and c = 5").canonical


def test_names_and_literal_words_are_told_apart() -> None:
    query = normal_query("SELECT MAX(x.a) FROM t AS x JOIN u ON x.i = u.i WHERE u.b LIKE '%New York%' AND c = \"Two\"")
    assert query.skeleton == "select max ( _ ) from _ , _ where _ = ? , _ = _ , like ( _ , ? )"
    assert query.literal_words == {"new", "york", "two"}


@pytest.mark.parametrize(
    "other",
    [
        "SELECT b FROM t",
        "SELECT a FROM u",
        "SELECT MAX(a) FROM t",
        "SELECT a FROM t WHERE a > 1",
        "SELECT DISTINCT a FROM t",
        "SELECT a FROM t ORDER BY a",
        "SELECT a FROM t ORDER BY a DESC",
        "SELECT a FROM t GROUP BY a HAVING COUNT(*) > 1",
    ],
)
def test_other_queries_have_other_forms(other: str) -> None:
    assert normal_query(other) != normal_query("SELECT a FROM t")


@given(st.text(alphabet="()'\" .,;=aAt\n", max_size=30) | st.text(max_size=30))
def test_any_text_has_a_normal_form(text: str) -> None:
    normal_query(f"SELECT {text} FROM {text}")
    assert normal_query(text) == normal_query(text)
    normal_query("(" * len(text) * 10 + text)
    question_key(text)
