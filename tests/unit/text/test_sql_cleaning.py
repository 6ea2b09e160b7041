import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sql_lightning.text.sql_cleaning import ensure_sql_only, is_complete

pytestmark = pytest.mark.unit

PLAIN = [
    "SELECT a FROM t",
    "select a from t where b = 'x'",
    "WITH x AS (SELECT 1) SELECT * FROM x",
    "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT n FROM x",
    "SELECT a FROM t UNION SELECT b FROM u EXCEPT SELECT c FROM v",
    "SELECT a\nFROM t\n\nWHERE b = 1\n\nORDER BY a DESC\nLIMIT 3",
    "SELECT a FROM t WHERE b = 'x; ### y ``` -- z /* '",
    'SELECT a FROM t WHERE b = \'it\'\'s; fine\' AND c = "say ""hi;"""',
    "SELECT `a;b`, [c;d] FROM t",
    "SELECT a -- the ; column ### here\nFROM t",
    "SELECT a /* ; */ FROM t",
    "SELECT a FROM t WHERE b = 'line one\n\nThis is line two'",
    "SELECT (SELECT MAX(b) FROM u) FROM t",
    "SELECT T1.a, T2.b FROM t AS T1\nJOIN u AS T2\nON T1.id = T2.id",
    "SELECT a FROM t WHERE b IN (SELECT c FROM u)",
    "SELECT a b FROM t",
    "SELECT a FROM t WHERE b = :name",
    "SELECT AVG(1 AS x) AS $__ FROM t",
]

WRAPPED = [
    ("  SELECT a FROM t ;  ", "SELECT a FROM t"),
    ("SELECT a FROM t; SELECT b FROM u", "SELECT a FROM t"),
    ("SELECT a FROM t;;;", "SELECT a FROM t"),
    ("```sql\nSELECT a FROM t\n```", "SELECT a FROM t"),
    ("```\nSELECT a FROM t;\n```\nIt lists a.", "SELECT a FROM t"),
    ("```SELECT `a` FROM `t````", "SELECT `a` FROM `t````"),
    ("```SELECT `a` FROM `t` ```", "SELECT `a` FROM `t`"),
    ("Here's the query:\n```sql\nSELECT a FROM t\n```\nIt's short.", "SELECT a FROM t"),
    ("Use `SELECT a FROM t` for that.", "SELECT a FROM t"),
    ("Here is the query: SELECT a FROM t", "SELECT a FROM t"),
    ("You can select the rows: SELECT a FROM t", "SELECT a FROM t"),
    ("To select names from singers, use SELECT name FROM singer", "SELECT name FROM singer"),
    ("I don't know. Let's select a row with this:\nselect a from t", "select a from t"),
    ("Here is how to select names from singers\n\n```sql\nSELECT name FROM s\n```", "SELECT name FROM s"),
    ("Use the SELECT statement as follows: SELECT a FROM t", "SELECT a FROM t"),
    ('The word "select" is a keyword: SELECT a FROM t', "SELECT a FROM t"),
    ("With the table above: SELECT a FROM t", "SELECT a FROM t"),
    ("-- all of a\nSELECT a FROM t", "SELECT a FROM t"),
    ("SELECT a FROM t\n\nThis query selects a.", "SELECT a FROM t"),
    ("SELECT a FROM t\n\nIn this query we select a.", "SELECT a FROM t"),
    ("SELECT a FROM t\nThis query selects a.", "SELECT a FROM t"),
    ("SELECT a FROM t\nExplanation: none", "SELECT a FROM t"),
    ("SELECT a FROM t Explanation: none", "SELECT a FROM t"),
    ("SELECT a FROM t. This query selects a.", "SELECT a FROM t"),
    ("SELECT a FROM t.", "SELECT a FROM t"),
    ("SELECT a FROM t -- done", "SELECT a FROM t"),
    ("SELECT a FROM t\n\n- it lists a", "SELECT a FROM t"),
    ("SELECT a FROM t\n\n### Explanation:\nNone", "SELECT a FROM t"),
    ("SELECT a FROM t WHERE b = 'x'### Response", "SELECT a FROM t WHERE b = 'x'"),
    ("SELECT a FROM t\n# Heading", "SELECT a FROM t"),
    ("SELECT a FROM t\nSELECT b FROM u", "SELECT a FROM t"),
    ("SELECT a FROM t SELECT a FROM t SELECT", "SELECT a FROM t"),
    ("(SELECT a FROM t) is the answer", "SELECT a FROM t"),
    ("SELECT a FROM t WHERE b = 'open\n\n### Question:\nWho?", "SELECT a FROM t WHERE b = 'open"),
    ("SELECT a FROM t WHERE b = 'open", "SELECT a FROM t WHERE b = 'open"),
]


@pytest.mark.parametrize("sql", PLAIN)
def test_a_plain_statement_stays_as_it_is(sql: str) -> None:
    assert ensure_sql_only(sql) == sql
    assert ensure_sql_only(f"{sql};") == sql
    assert ensure_sql_only(f"```sql\n{sql}\n```") == sql


@pytest.mark.parametrize("sql", PLAIN)
def test_a_heading_completes_every_plain_statement(sql: str) -> None:
    assert not is_complete(sql)
    assert is_complete(f"{sql}\n\n### Instruction:")
    assert ensure_sql_only(f"{sql}\n\n### Instruction:") == sql


@pytest.mark.parametrize(("text", "sql"), WRAPPED)
def test_what_is_not_the_statement_goes(text: str, sql: str) -> None:
    assert ensure_sql_only(text) == sql


@pytest.mark.parametrize(
    "text", ["", "  ", "I do not know.", "DROP TABLE t", "```\n```", ";", "### Response:", "selection"]
)
def test_no_statement_gives_an_empty_string(text: str) -> None:
    assert ensure_sql_only(text) == ""
    assert not is_complete(text)


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("SELECT a FROM t", False),
        ("SELECT a FROM t;", True),
        ("SELECT a FROM t WHERE b = ';", False),
        ("SELECT a FROM t\n", False),
        ("SELECT a FROM t\n\nWHERE", False),  # may become the alias WHEREABOUTS
        ("SELECT a FROM t\n\nThe", False),
        ("SELECT a FROM t\n\nThe ", True),
        ("SELECT a FROM t\n```", True),
        ("SELECT a FROM t ##", False),
        ("SELECT a FROM t ###", True),
        ("```sql\nSELECT a FROM t\n``", False),
        ("```sql\nSELECT a FROM t\n```", True),
        ("SELECT a FROM t SELECT", False),
        ("SELECT a FROM t SELECT ", True),
        ("select a b c from t;", False),  # doubtful: a better statement may follow
    ],
)
def test_is_complete(text: str, complete: bool) -> None:
    assert is_complete(text) is complete


PIECES = (
    "SELECT|select|Select| |\n|\n\n|\r\n|a|b|t|FROM|from| AS |'|''|\"|`|```|```sql\n|###|#|;|(|)|,|.|: |:|--|/*|*/|"
    "WITH |with x as (|UNION|The|query|This is |In|the|*|1|2.|[|]|WHERE x = 'y'|SELECT a FROM t|- |é|'a;b'|w|ALL|as"
)
FRAGMENTS = st.lists(
    st.sampled_from(sorted(PIECES.split("|"))).flatmap(lambda piece: st.sampled_from([piece, piece + " "])),
    max_size=14,
).map("".join)
ANY_TEXT = st.one_of(FRAGMENTS, st.text(max_size=40))


@settings(max_examples=200, deadline=None)
@given(ANY_TEXT)
def test_twice_is_once_and_the_result_is_a_piece_of_the_text(text: str) -> None:
    sql = ensure_sql_only(text)
    assert ensure_sql_only(sql) == sql
    assert sql in text
    assert not sql or sql[:6].upper().startswith(("SELECT", "WITH"))


@settings(max_examples=200, deadline=None)
@given(FRAGMENTS, st.sampled_from(["", ";", "\n\nThe query", "###", "\n```\n", ")"]), ANY_TEXT)
def test_nothing_that_follows_changes_a_complete_statement(text: str, end: str, suffix: str) -> None:
    text += end
    if is_complete(text):
        assert ensure_sql_only(text + suffix) == ensure_sql_only(text)
        assert is_complete(text + suffix)


@pytest.mark.parametrize(
    "text",
    [
        "'" * 1_000_000,
        "SELECT " + "'" * 999_999,
        "select '" * 125_000,
        "`" * 1_000_000,
        "\n" * 1_000_000,
        "SELECT a" + "\n" * 1_000_000,
    ],
)
def test_a_megabyte_of_quotes_takes_well_under_a_second(text: str) -> None:
    started = time.process_time()
    ensure_sql_only(text)
    is_complete(text)
    assert time.process_time() - started < 2  # about 0.1 s


@pytest.mark.parametrize(
    "piece", ["select ", "select a b c ", "with a (", "with a as (", "select x: ", "SELECT a ```", "`select` "]
)
def test_time_grows_with_the_length_only(piece: str) -> None:
    started = time.process_time()
    ensure_sql_only(piece * 8_000)
    assert time.process_time() - started < 5  # at most 0.3 s here; one more pass per candidate would take minutes
