from pathlib import Path

import pytest

from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.comparison import compare
from text2sql_lightning.evaluation.pages import conclusion, write_comparison
from text2sql_lightning.evaluation.results import ScoredExample, from_row

pytestmark = pytest.mark.unit

NAMES = ("one", "two")


def run(rights: str, gold: str = "SELECT 1") -> list[ScoredExample]:
    """One example a letter: + is right; two examples a database."""
    return [
        ScoredExample(
            str(i),
            f"db{i // 2}",
            f"question {i}",
            gold,
            f"SELECT {sign!r}",
            {"exec": sign == "+", "exec_suite": None},
            "easy" if i % 2 else "hard",
            None if sign == "+" else "wrong_rows",
        )
        for i, sign in enumerate(rights)
    ]


def test_figures_and_winners() -> None:
    comparison = compare(run("++--+-"), run("+-+++-"), names=NAMES)
    figures = comparison.figures
    assert (figures["n"], figures["a"], figures["b"]) == (6, 0.5, pytest.approx(4 / 6))
    assert figures["difference"] == pytest.approx(1 / 6)
    assert (figures["only_a_right"], figures["only_b_right"]) == (1, 2)
    assert (figures["both_right"], figures["both_wrong"]) == (2, 1)
    assert figures["p_value"] == 1.0
    assert [pair[0].key for pair in comparison.won_by(1)] == ["2", "3"]
    assert figures["by_hardness"]["hard"]["only_b_right"] == 1
    assert conclusion(comparison).startswith("No difference is shown")


def test_a_clear_winner() -> None:
    comparison = compare(run("-" * 20), run("+" * 18 + "--"), names=NAMES)
    assert comparison.figures["p_value"] == pytest.approx(7.62939453125e-06)
    assert conclusion(comparison).startswith("two is better by 0.900")


def test_the_same_run_twice_shows_nothing() -> None:
    comparison = compare(run("+-+-"), run("+-+-"), names=NAMES)
    assert comparison.figures["interval_95"] == [0.0, 0.0]
    assert "0.000 to 0.000" in conclusion(comparison)


def test_pages(tmp_path: Path) -> None:
    write_comparison(tmp_path, "c", compare(run("++--+-"), run("+-+++-"), names=NAMES))
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    for text in ((tmp_path / "c.md").read_text(encoding="utf-8"), (tmp_path / "c.html").read_text(encoding="utf-8")):
        assert "Only two is right (2)" in text
        assert "question 2" in text
        assert "McNemar" in text


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("+-", "one has 3 examples, two has 2; 1 are in one alone (example 2 is not in two)"),
        ("+-++", "(example 3 is not in one)"),
    ],
)
def test_other_examples_are_an_error(second: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        compare(run("+-+"), run(second), names=NAMES)
    assert message in str(error.value)


def test_other_gold_and_other_verdicts_are_errors() -> None:
    with pytest.raises(DataError, match="another gold query in two"):
        compare(run("+"), run("+", gold="SELECT 2"), names=NAMES)
    with pytest.raises(DataError, match="no verdict 'exec_suite'"):
        compare(run("+"), run("+"), names=NAMES, verdict="exec_suite")


def test_rows_are_checked() -> None:
    row = {"index": 3, "db_id": "d", "question": "q", "gold": "g", "predicted": "p", "hardness": "easy", "exec": True}
    example = from_row(row, "f, line 1")
    assert (example.key, example.group, example.holds("exec"), example.holds("exact")) == ("3", "d", True, None)
    with pytest.raises(DataError, match="f, line 1: no line of an evaluation"):
        from_row({"index": 3}, "f, line 1")
    with pytest.raises(DataError, match="f, line 1, field exec: 'yes' is no verdict"):
        from_row({**row, "exec": "yes"}, "f, line 1")
