from collections import Counter
from pathlib import Path

import pytest

from sample.generate import generate_rows, main
from sample.schema import DOMAINS

pytestmark = pytest.mark.unit


def test_same_seed_same_rows() -> None:
    cut = DOMAINS[:3]
    rows = list(generate_rows(cut, seed=7, rows_per_schema=20))
    assert rows == list(generate_rows(cut, seed=7, rows_per_schema=20))
    assert rows != list(generate_rows(cut, seed=8, rows_per_schema=20))
    assert Counter(row.domain for row in rows) == {one.name: 20 for one in cut}


def test_a_domains_rows_do_not_depend_on_the_other_domains() -> None:
    alone = list(generate_rows([DOMAINS[5]], seed=7, rows_per_schema=10))
    among = list(generate_rows(DOMAINS[4:7], seed=7, rows_per_schema=10))
    assert among[10:20] == alone


def test_a_domain_stops_when_nothing_new_can_be_asked() -> None:
    small = next(one for one in DOMAINS if len(one.tables) == 1)
    rows = list(generate_rows([small], seed=1, rows_per_schema=400))
    assert len(rows) == len({row.question for row in rows}) == len({row.answer for row in rows})


def test_command_refuses_what_cannot_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--out", str(tmp_path / "rows.jsonl.gz"), "--rows_per_schema", "0"])
    assert stop.value.code == 2
    assert "--rows_per_schema is 0; give a number of at least 1" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stop:
        main(["--out", str(tmp_path / "file" / "rows.jsonl.gz"), "--rows_per_schema", "1"])
    assert stop.value.code == 2
    assert "cannot be written" in capsys.readouterr().err
