import gzip
from pathlib import Path

import pytest

from text2sql_lightning.errors import DataError
from text2sql_lightning.files.tables import read_csv

pytestmark = pytest.mark.unit


def message(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        list(read_csv(path, ("question", "answer")))
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(path), "FILE")


def test_rows_come_with_the_line_on_which_they_begin(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes('\ufeffquestion,answer,more\r\n"a ""b"",\nc",d,\r\n\r\ne,"f",g\r\n'.encode())
    assert list(read_csv(path, ("question", "answer"))) == [
        (2, {"question": 'a "b",\nc', "answer": "d", "more": ""}),
        (5, {"question": "e", "answer": "f", "more": "g"}),
    ]


@pytest.mark.parametrize("name", ["rows.tsv", "rows.tsv.gz"])
def test_tabs_and_gzip_by_the_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = b"question\tanswer\nWho, me?\tSELECT 1\n"
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert list(read_csv(path, ("question",))) == [(2, {"question": "Who, me?", "answer": "SELECT 1"})]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "FILE, line 1: no column question, answer; the header has nothing"),
        (b"question;answer\n1;2\n", "FILE, line 1: no column question, answer; the header has question;answer"),
        (b"question,sql\n1,2\n", "FILE, line 1: no column answer; the header has question, sql"),
        (
            b"question,answer\na,b\nHi, you,c\n",
            "FILE, line 3: 3 fields, but the header has 2 columns; put fields with commas or line breaks in double "
            "quotes",
        ),
        (
            b'question,answer\na,b\n"c,d\ne,f\n',
            "FILE, line 3: not CSV (unexpected end of data); a row begins there whose double quotes do not pair up, or "
            "with a field of more than 131072 characters",
        ),
        (
            b"question,answer\na,b\n" + b"x" * 10_000_000 + b",d\n",
            "FILE, line 3: not CSV (field larger than field limit (131072)); a row begins there whose double quotes do "
            "not pair up, or with a field of more than 131072 characters",
        ),
        (b"question,answer\na,\xe9\n", "FILE, line 2 is not UTF-8 (byte 2): save the file as UTF-8"),
        ("question,answer\na,b\n".encode("utf-16"), "FILE, line 1 is not UTF-8 (byte 0): save the file as UTF-8"),
    ],
)
def test_what_is_no_such_file_is_refused_with_its_line(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    assert message(path) == expected


def test_a_cut_off_gzip_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(b"question,answer\n" + b"a,b\n" * 1000)[:-12])
    assert message(path).startswith("FILE is damaged or incomplete gzip data")
    assert message(tmp_path / "none.csv") == "FILE: no such file"
