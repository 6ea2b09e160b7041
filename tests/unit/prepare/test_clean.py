import pytest

from text2sql_lightning.data.sources import RawRow
from text2sql_lightning.prepare.clean import CleanRow, DroppedRow, clean_row

pytestmark = pytest.mark.unit

CONTEXT = "CREATE TABLE singer (name VARCHAR, age INTEGER)"
SQL = "SELECT name FROM singer WHERE age > 30"


def clean(question: str = "Who is over 30?", context: str = CONTEXT, answer: str = SQL) -> CleanRow | DroppedRow:
    return clean_row(RawRow(question, context, answer, 7, "rows.jsonl"), "question")


def kept(question: str = "Who is over 30?", context: str = CONTEXT, answer: str = SQL) -> CleanRow:
    row = clean(question, context, answer)
    assert isinstance(row, CleanRow), row
    return row


def test_a_good_row_stays_as_it_is() -> None:
    row = kept()
    assert (row.question, row.context, row.sql, row.repairs) == ("Who is over 30?", CONTEXT, SQL, ())
    assert (row.hardness, row.literal_case_repaired, row.tables) == ("easy", False, ("singer",))


def test_white_space_and_wrapping_go() -> None:
    row = kept(" Who\u00a0is\n over 30? ", f"\n{CONTEXT} ", f"```sql\n{SQL};\n```")
    assert (row.question, row.context, row.sql, row.repairs) == ("Who is over 30?", CONTEXT, SQL, ())


def test_a_context_that_is_certain_is_repaired() -> None:
    row = kept(
        "Which order?",
        "CREATE TABLE t (a VARCHAR); CREATE TABLE t (order VARCHAR)",
        "SELECT order FROM t",
    )
    assert row.context == 'CREATE TABLE t (a VARCHAR, "order" VARCHAR)'
    assert row.sql == 'SELECT "order" FROM t'
    assert row.repairs == ("merged table t", "quoted column order", "quoted names in the query")


def test_literal_case_can_be_kept() -> None:
    raw = RawRow("How old is Joe?", CONTEXT, 'SELECT age FROM singer WHERE name = "joe"', 0, "x")
    changed, same = clean_row(raw, "question"), clean_row(raw, "keep")
    assert isinstance(changed, CleanRow)
    assert isinstance(same, CleanRow)
    assert (changed.sql, changed.literal_case_repaired) == ('SELECT age FROM singer WHERE name = "Joe"', True)
    assert (same.sql, same.literal_case_repaired) == (raw.answer, False)


@pytest.mark.parametrize(
    ("question", "context", "answer", "reason"),
    [
        (" \n", CONTEXT, SQL, "empty_question"),
        ("q", "", SQL, "no_create_table"),
        ("q", "singer: name, age", SQL, "no_create_table"),
        ("q", f"{CONTEXT}; DROP TABLE singer", SQL, "other_statements_in_context"),
        ("q", f"ATTACH DATABASE 'x.db' AS x; {CONTEXT}", SQL, "other_statements_in_context"),
        ("q", "CREATE TABLE singer (name); CREATE TABLE u AS SELECT 1", SQL, "other_statements_in_context"),
        ("q", f"{CONTEXT} /*\n\n### Question:\n*/", SQL, "context_breaks_prompt"),
        ("q", CONTEXT, "I do not know", "no_select_statement"),
        ("q", CONTEXT, "DELETE FROM singer", "no_select_statement"),
        ("q", CONTEXT, "SELECT name FROM band", "gold_unknown_table"),
        ("q", CONTEXT, "SELECT height FROM singer", "gold_unknown_column"),
        ("q", CONTEXT, "SELECT AVG(1 AS st_prize) FROM singer", "gold_syntax"),
        ("q", CONTEXT, "SELECT SHARE(age) FROM singer", "gold_unknown_function"),
        ("q", CONTEXT, "SELECT 1 AS st_leg FROM singer", "gold_mangled"),
        ("q", CONTEXT, "SELECT name FROM singer WHERE age < 14 OFFSET 485", "gold_syntax"),
        (
            "q",
            CONTEXT,
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n",
            "gold_timeout",
        ),
    ],
)
def test_a_row_that_cannot_be_used_says_why(
    monkeypatch: pytest.MonkeyPatch, question: str, context: str, answer: str, reason: str
) -> None:
    monkeypatch.setattr("text2sql_lightning.prepare.clean._TIMEOUT_S", 0.05)
    row = clean(question, context, answer)
    assert isinstance(row, DroppedRow)
    assert row.reason == reason
    assert row.row.index == 7


def test_rows_on_the_same_tables_share_a_key() -> None:
    one, other = kept(), kept("q", "CREATE TABLE Singer (Age INTEGER)", "SELECT age FROM singer")
    assert set(one.group_keys) & set(other.group_keys) == {"tables singer", "column singer.age"}


def test_a_word_as_a_table_s_name_needs_a_common_column() -> None:
    other = kept("q", "CREATE TABLE singer (id INTEGER); CREATE TABLE song (id INTEGER)", "SELECT id FROM song")
    assert not set(kept().group_keys) & set(other.group_keys)


def test_an_identifier_as_a_table_s_name_is_enough() -> None:
    one = kept("q", "CREATE TABLE table_12_3 (a VARCHAR)", "SELECT a FROM table_12_3")
    other = kept("q", "CREATE TABLE table_12_3 (b VARCHAR)", "SELECT b FROM table_12_3")
    assert set(one.group_keys) & set(other.group_keys)


def test_of_a_generic_name_the_columns_count() -> None:
    one = kept("q", "CREATE TABLE table_name_1 (a VARCHAR, b VARCHAR)", "SELECT a FROM table_name_1")
    same = kept("q", "CREATE TABLE table_name_2 (B VARCHAR, a INTEGER)", "SELECT b FROM table_name_2")
    other = kept("q", "CREATE TABLE table_name_1 (a VARCHAR, c VARCHAR)", "SELECT a FROM table_name_1")
    assert one.group_keys == same.group_keys == ("tables table_name(a,b)",)
    assert not set(one.group_keys) & set(other.group_keys)
    assert one.tables == ()
