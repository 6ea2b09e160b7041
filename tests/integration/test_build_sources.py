"""Every kind of source through the real command."""

import gzip
import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.commands.build import main
from text2sql_lightning.data.records import Record, read_records

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SPIDER = ROOT.parent / "shared" / "data" / "spider"
SPLITS = ("train", "val", "test")


def row(kind: str, number: int) -> dict[str, Any]:
    table = f"{kind}_{number // 3}"
    return {
        "question": f"How large is {kind} number {number}?",
        "context": f"CREATE TABLE {table} (name_{table} TEXT, size INTEGER)",
        "answer": f"SELECT size FROM {table} WHERE name_{table} = '{kind} {number}'",
    }


def write_jsonl(path: Path, kind: str = "lake", count: int = 30) -> Path:
    path.write_text("".join(json.dumps(row(kind, number)) + "\n" for number in range(count)))
    return path


def write_csv(path: Path, kind: str = "hill", count: int = 30) -> Path:
    rows = (row(kind, number).values() for number in range(count))
    lines = (",".join(f'"{value}"' for value in values) for values in rows)
    path.write_text("question,context,answer\n" + "\n".join(lines))
    return path


def write_parquet(path: Path, kind: str = "wood", count: int = 30) -> Path:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist([row(kind, number) for number in range(count)]), path)
    return path


def write_database(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, city TEXT);
               CREATE TABLE sale (customer_id INTEGER REFERENCES customer (id), amount REAL);
               INSERT INTO customer VALUES (1, 'Ann', 'Rome'), (2, 'Bob', 'Oslo');
               INSERT INTO sale VALUES (1, 3.5), (1, 2), (2, 8);"""
        )
    return path


def write_pairs(path: Path) -> Path:
    columns = ("id", "name", "city")
    pairs = [
        (f"What {c} is of the customer called X{n}?", f"SELECT {c} FROM customer WHERE name = 'X{n}' LIMIT {n}")
        for n in range(1, 4)
        for c in columns
    ]
    pairs += [(f"Show {a} by {b}.", f"SELECT {a} FROM customer ORDER BY {b}") for a in columns for b in columns]
    pairs += [("Wrong?", "SELECT wrong FROM customer")]
    path.write_text("".join(json.dumps({"question": q, "sql": s}) + "\n" for q, s in pairs))
    return path


def write_spider(folder: Path) -> Path:
    write_database(folder / "database" / "shop" / "shop.sqlite")
    columns = [[-1, "*"], [0, "id"], [0, "name"], [0, "city"], [1, "customer_id"], [1, "amount"]]
    tables = {
        "db_id": "shop",
        "table_names_original": ["customer", "sale"],
        "column_names_original": columns,
        "column_types": ["text", "number", "text", "text", "number", "number"],
        "primary_keys": [1],
        "foreign_keys": [[4, 1]],
    }
    questions = [
        {"db_id": "shop", "question": f"Sales above {n}?", "query": f"SELECT * FROM sale WHERE amount > {n}"}
        for n in range(5)
    ]
    for name, content in (("tables", [tables]), ("train_spider", questions), ("dev", questions)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def build(*arguments: str | Path) -> int:
    return main([*map(str, arguments), "--workers", "1"])


def records(folder: Path) -> dict[str, list[Record]]:
    return {
        name: read_records(folder / f"{name}.jsonl") for name in SPLITS if (folder / f"{name}.jsonl").stat().st_size
    }


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_all_sources_stand_together(tmp_path: Path) -> None:
    arguments: list[str | Path] = [
        "--input_jsonl",
        write_jsonl(tmp_path / "rows.jsonl"),
        "--input_csv",
        write_csv(tmp_path / "rows.csv"),
        "--input_parquet",
        write_parquet(tmp_path / "rows.parquet"),
        "--spider_dir",
        write_spider(tmp_path / "spider"),
        "--sqlite",
        write_database(tmp_path / "own.sqlite"),
        "--pairs",
        write_pairs(tmp_path / "pairs.jsonl"),
    ]
    out = tmp_path / "data"
    assert build(*arguments, "--out_dir", out) == 0
    everything = [record for split in records(out).values() for record in split]
    assert Counter(record.source for record in everything) == {
        "rows.jsonl": 30,
        "rows.csv": 30,
        "rows.parquet": 30,
        "spider": 5,
        "own.sqlite": 18,
    }
    assert len({record.id for record in everything}) == 113
    assert all(record.id.startswith("sqlcc-") for record in everything)
    own = next(record for record in everything if record.source == "own.sqlite")
    assert own.context == (
        "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, city TEXT); "
        "CREATE TABLE sale (customer_id INTEGER, amount REAL, FOREIGN KEY (customer_id) REFERENCES customer (id))"
    )
    assert (own.meta["dialect"], own.meta["distractors"]) == ("sqlite", 0)
    report = json.loads((out / "dataset_report.json").read_text())
    assert report["by_source"]["own.sqlite"]["dropped"] == report["dropped"]["gold_unknown_column"]["count"] == 1
    assert sorted(report["inputs"]) == [
        "own.sqlite",
        "own.sqlite pairs",
        "rows.csv",
        "rows.jsonl",
        "rows.parquet",
        "spider/train_spider.json",
    ]
    assert str(tmp_path) not in (out / "dataset_report.json").read_text()
    assert "| own.sqlite | 19 | 1 |" in (out / "dataset_report.md").read_text()
    first = content(out)
    assert build(*arguments, "--out_dir", out, "--overwrite") == 0
    assert content(out) == first


def test_a_database_of_one_s_own_gives_all_splits(tmp_path: Path) -> None:
    database, pairs = write_database(tmp_path / "own.sqlite"), write_pairs(tmp_path / "pairs.jsonl")
    before = content(tmp_path)
    out = tmp_path / "data"
    assert build("--sqlite", database, "--pairs", pairs, "--out_dir", out, "--val_ratio", "0.2") == 0
    splits = records(out)
    assert [len(splits[name]) for name in SPLITS] == [13, 4, 1]
    forms = [{record.meta["schema_group"] for record in split} for split in splits.values()]
    assert not forms[0] & forms[1]
    assert not forms[0] & forms[2]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_sources_of_one_name_are_told_apart_and_mixed(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    one, two = (
        write_jsonl(tmp_path / "rows.jsonl", "lake", 60),
        write_jsonl(tmp_path / "more" / "rows.jsonl", "hill", 30),
    )
    out = tmp_path / "data"
    mix = ("--mix", "rows.jsonl=1", "--mix", "rows.jsonl-2=1")
    assert build("--input_jsonl", one, "--input_jsonl", two, *mix, "--out_dir", out) == 0
    figures = json.loads((out / "dataset_report.json").read_text())["by_source"]
    assert (
        figures["rows.jsonl"]["train"]
        == figures["rows.jsonl-2"]["train"]
        == figures["rows.jsonl-2"]["train_before_mixing"]
    )


def test_values_are_shown_only_when_asked_for(tmp_path: Path) -> None:
    database, pairs = write_database(tmp_path / "own.sqlite"), write_pairs(tmp_path / "pairs.jsonl")
    source: tuple[str | Path, ...] = ("--sqlite", database, "--pairs", pairs, "--val_ratio", "0.2")
    assert build(*source, "--out_dir", tmp_path / "bare") == 0
    assert "Ann" not in (tmp_path / "bare" / "train.jsonl").read_text()
    samples = ("--sample_values", "2", "--exclude_columns", "customer.name")
    assert build(*source, *samples, "--out_dir", tmp_path / "shown") == 0
    context = records(tmp_path / "shown")["train"][0].context
    assert "city TEXT /* e.g. 'Rome', 'Oslo' */" in context
    assert "Ann" not in context


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--sqlite", "own.sqlite"],
            "0 --pairs for 1 databases: give one --pairs FILE for each --sqlite and --database_url, in the same order",
        ),
        (["--input_jsonl", "rows.jsonl", "--pairs", "pairs.jsonl"], "1 --pairs for 0 databases: give one --pairs FILE"),
        (["--sqlite", "own.sqlite", "--pairs", "none.jsonl"], "--pairs none.jsonl: no such file"),
        (["--sqlite", "none.sqlite", "--pairs", "pairs.jsonl"], "no database file none.sqlite; give the path of a"),
        (["--sqlite", "pairs.jsonl", "--pairs", "pairs.jsonl"], "pairs.jsonl is no SQLite database: file is not a"),
        (["--spider_dir", "none"], "none: no such folder; give a Spider folder"),
        (["--input_jsonl", "rows.jsonl", "--allow_dev"], "--allow_dev is about dev.json of --spider_dir and"),
        (["--input_jsonl", "rows.jsonl", "--sample_values", "2"], "--sample_values needs a source with databases"),
        (
            [
                "--sqlite",
                "own.sqlite",
                "--pairs",
                "pairs.jsonl",
                "--sample_values",
                "2",
                "--exclude_columns",
                "sale.nme",
            ],
            "--exclude_columns sale.nme: no table has such a column; give table.column or column",
        ),
        (["--input_jsonl", "rows.jsonl", "--mix", "rows=1"], "--mix rows: no training rows of a source of this name"),
        (["--input_jsonl", "rows.jsonl", "--mix", "rows.jsonl=x"], "--mix rows.jsonl=x: give NAME=WEIGHT with a"),
        (
            ["--databse_url", "postgresql://u:s3cret@h/x"],
            "unrecognized arguments: --databse_url postgresql://u:***@h/x (see text2sql build --help)",
        ),
        (["--sqlite", "postgresql://u:s3cret@h/x", "--pairs", "pairs.jsonl"], "no database file postgresql:/u:***@h/x"),
        (["--input_jsonl", "mysql://u:s3cret@h/x"], "mysql:/u:***@h/x: no such file"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "rows.jsonl")
    write_database(tmp_path / "own.sqlite")
    write_pairs(tmp_path / "pairs.jsonl")
    before = content(tmp_path)
    try:
        code = build(*arguments)
    except SystemExit as end:
        code = int(str(end.code))
    shown = capsys.readouterr()
    assert (code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert shown.err.startswith(f"error: {line}")
    assert "s3cret" not in shown.err
    assert content(tmp_path) == before


def spoil(path: Path) -> Path:
    """Damage a file behind its first rows, as its kind is damaged in practice."""
    if path.suffix == ".gz":
        path.write_bytes(path.read_bytes()[:-20])
    elif path.suffix == ".parquet":
        path.write_bytes(path.read_bytes()[:-50])
    elif path.suffix == ".csv":
        path.write_text(path.read_text() + '\n"never closed,x,y\nmore,x,y')
    else:
        path.write_bytes(path.read_bytes() + b'{"question": "\xe9"}\n')
    return path


@pytest.mark.parametrize(
    ("flag", "name", "line"),
    [
        ("--input_jsonl", "bad.jsonl", "bad.jsonl, line 31 is not UTF-8 (byte 14): save the file as UTF-8"),
        ("--input_jsonl", "bad.jsonl.gz", "bad.jsonl.gz is damaged or incomplete gzip data"),
        ("--input_csv", "bad.csv", "bad.csv, line 32: not CSV (unexpected end of data)"),
        ("--input_parquet", "bad.parquet", "bad.parquet is damaged or no Parquet file"),
    ],
)
def test_a_damaged_file_leaves_the_old_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str, name: str, line: str
) -> None:
    out = tmp_path / "data"
    good = write_jsonl(tmp_path / "good.jsonl")
    assert build("--input_jsonl", good, "--out_dir", out) == 0
    before = content(out)
    path = tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(write_jsonl(tmp_path / "plain.jsonl").read_bytes()))
    else:
        {".jsonl": write_jsonl, ".csv": write_csv, ".parquet": write_parquet}[path.suffix](path)
    capsys.readouterr()
    assert build("--input_jsonl", good, flag, spoil(path), "--out_dir", out, "--overwrite") == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert shown.err.replace(f"{tmp_path}/", "").startswith(f"error: {line}")
    assert content(out) == before


def test_bad_rows_are_counted_and_the_others_kept(tmp_path: Path) -> None:
    good = [row("lake", number) for number in range(30)]
    bad = [
        row("lake", 0) | {"question": " \n"},
        row("lake", 1) | {"answer": ""},
        row("lake", 2) | {"context": ""},
        row("lake", 3) | {"question": "x" * 10_000_000},
        row("lake", 4) | {"answer": f"SELECT '{'x' * 10_000_000}'"},
        row("lake", 5) | {"question": "Which\x00?"},
        row("lake", 6) | {"context": "CREATE TABLE t (a INTEGER, b"},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in [*bad, *good]))
    assert build("--input_jsonl", path, "--out_dir", tmp_path / "data") == 0
    report = json.loads((tmp_path / "data" / "dataset_report.json").read_text())
    assert report["rows_kept"] == 30
    assert {reason: entry["count"] for reason, entry in report["dropped"].items()} == {
        "too_long": 2,
        "context_does_not_run": 1,
        "control_characters": 1,
        "empty_question": 1,
        "no_create_table": 1,
        "no_select_statement": 1,
    }


def test_spider_s_own_folder(tmp_path: Path) -> None:
    if not SPIDER.is_dir():
        pytest.skip("the Spider folder is not beside the repository")
    out = tmp_path / "data"
    assert build("--spider_dir", SPIDER, "--allow_dev", "--no_decontaminate", "--out_dir", out) == 0
    report = json.loads((out / "dataset_report.json").read_text())
    assert (report["rows_read"], report["rows_kept"]) == (1034, 1034)
    everything = [record for split in records(out).values() for record in split]
    assert len({record.context for record in everything}) == 20
    assert {record.meta["original_split"] for record in everything} == {"dev"}
    assert report["schema_overlap"]["schemas"] == {"train-val": 0, "train-test": 0, "val-test": 0}
