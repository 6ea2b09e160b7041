import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sql_lightning.data.build.normal_form import normal_query, question_key, question_words

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
    ("sql", "text", "tables"),
    [
        ("SELECT a FROM t WHERE b = 'x';", "select a from t where b = ?", ("t",)),
        ('select  A from T where B="y"', "select a from t where b = ?", ("t",)),
        ("SELECT T1.a FROM t AS T1 WHERE t1.b > 3.5", "select a from t where b > ?", ("t",)),
        (
            "SELECT x.a FROM t x JOIN u AS y ON x.i = y.i",
            "select t . a from t join u on t . i = u . i",
            ("t", "u"),
        ),
        (
            "SELECT t.a FROM t INNER JOIN u ON t.i == u.i ORDER BY t.a ASC",
            "select t . a from t join u on t . i = u . i order by t . a",
            ("t", "u"),
        ),
        ("SELECT COUNT ( * ) AS n FROM t", "select count ( * ) from t", ("t",)),
        ("SELECT a FROM t WHERE a != 1", "select a from t where a <> ?", ("t",)),
        ("SELECT a FROM t WHERE NOT a IN (1, 2)", "select a from t where a not in ( ? , ? )", ("t",)),
        ("SELECT a FROM t WHERE NOT a LIKE '%x'", "select a from t where a not like ?", ("t",)),
        ("SELECT a FROM t WHERE NOT a IS NULL", "select a from t where a is not null", ("t",)),
        ("SELECT a FROM t LIMIT 3, 4", "select a from t limit ? , ?", ("t",)),
        ("SELECT a FROM t LIMIT 4 OFFSET 3", "select a from t limit ? , ?", ("t",)),
        ('SELECT "order" FROM t WHERE "group" = "x"', "select order from t where group = ?", ("t",)),
        (
            "SELECT T1.a FROM t AS T1 WHERE T1.i IN (SELECT T1.i FROM u AS T1) UNION SELECT T1.b FROM v AS T1",
            "select a from t where i in ( select i from u ) union select b from v",
            ("t", "u", "v"),
        ),
        (
            "SELECT a FROM t AS o WHERE EXISTS (SELECT * FROM u WHERE u.i = o.i)",
            "select a from t where exists ( select * from u where i = t . i )",
            ("t", "u"),
        ),
        ("SELECT d.a FROM (SELECT a FROM t) AS d", "select a from ( select a from t )", ("t",)),
        ("SELECT t.a, u.a FROM t, u", "select t . a , u . a from t , u", ("t", "u")),
        ("", "", ()),
    ],
)
def test_normal_query(sql: str, text: str, tables: tuple[str, ...]) -> None:
    assert (normal_query(sql).text, normal_query(sql).tables) == (text, tables)


def test_the_skeleton_has_no_names() -> None:
    assert normal_query("SELECT MAX(x.a) FROM t AS x JOIN u ON x.i = u.i WHERE u.b LIKE 'z%'").skeleton == (
        "select max ( _ . _ ) from _ join _ on _ . _ = _ . _ where _ . _ like ?"
    )


@pytest.mark.parametrize(
    "other",
    [
        "SELECT b FROM t",
        "SELECT a FROM u",
        "SELECT MAX(a) FROM t",
        "SELECT a FROM t WHERE a > 1",
        "SELECT DISTINCT a FROM t",
    ],
)
def test_other_queries_have_other_forms(other: str) -> None:
    assert normal_query(other) != normal_query("SELECT a FROM t")


@given(st.text(alphabet="()'\" .,;=aAt\n", max_size=30) | st.text(max_size=30))
def test_any_text_has_a_normal_form(text: str) -> None:
    normal_query(f"SELECT {text} FROM {text}")
    normal_query(text)
    question_key(text)
