"""evaluate_spider_external and compare_evaluations: the real commands on a small folder in Spider's form."""

import hashlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.benchmarks.spider import load_spider
from text2sql_lightning.commands.compare import main as compare_main
from text2sql_lightning.commands.spider import main, spider_questions
from text2sql_lightning.inference.baselines import project_prompt
from text2sql_lightning.text.sql_tokens import tokenize

pytestmark = pytest.mark.integration

SHARED = Path(__file__).parents[3] / "shared" / "data" / "spider"

_TABLES: dict[str, list[tuple[str, list[tuple[str, str]]]]] = {
    "zoo": [
        ("keeper", [("keeper_id", "number"), ("name", "text"), ("age", "number")]),
        ("animal", [("animal_id", "number"), ("kind", "text"), ("keeper_id", "number")]),
    ],
    "library": [("book", [("book_id", "number"), ("title", "text"), ("pages", "number")])],
}
_ROWS = {
    "keeper": [(1, "Ada", 30), (2, "Ben", 41), (3, "Cy", 41)],
    "animal": [(1, "lion", 1), (2, "lion", 2), (3, "owl", 2)],
    "book": [(1, "Tides", 120), (2, "Moss", 320), (3, "Ore", 90)],
}
_MORE_ROWS = {
    "keeper": [(4, "Ada", 19)],
    "animal": [(4, "fox", 3)],
    "book": [(4, "Moss", 90)],
}
QUESTIONS = [
    ("zoo", "How many keepers are there?", "SELECT count(*) FROM keeper"),
    ("zoo", "Who is older than 35?", "SELECT name FROM keeper WHERE age > 35"),
    ("zoo", "List the names by age.", "SELECT name FROM keeper ORDER BY age"),
    (
        "zoo",
        "Who keeps a lion?",
        "SELECT T1.name FROM keeper AS T1 JOIN animal AS T2 ON T1.keeper_id = T2.keeper_id WHERE T2.kind = 'lion'",
    ),
    ("library", "How many books are there?", "SELECT count(*) FROM book"),
    ("library", "Which titles have more than 100 pages?", "SELECT title FROM book WHERE pages > 100"),
    ("library", "Which title is the longest?", "SELECT title FROM book ORDER BY pages DESC LIMIT 1"),
    ("library", "What is the average number of pages?", "SELECT avg(pages) FROM book"),
]
GOLD = [sql for _, _, sql in QUESTIONS]


def make_spider_folder(folder: Path, *, databases: bool = True) -> Path:
    """Write dev.json, tables.json and, if wanted, `database/` and `testsuite/`."""
    folder.mkdir(parents=True, exist_ok=True)
    dev = [{"db_id": db, "question": question, "query": sql} for db, question, sql in QUESTIONS]
    (folder / "dev.json").write_text(json.dumps(dev), encoding="utf-8")
    (folder / "tables.json").write_text(json.dumps([_entry(name) for name in _TABLES]), encoding="utf-8")
    for name in _TABLES if databases else ():
        _make_database(folder / "database" / name / f"{name}.sqlite", name, _ROWS)
        _make_database(folder / "testsuite" / name / f"{name}.sqlite", name, _ROWS)
        more = {table: [*rows, *_MORE_ROWS[table]] for table, rows in _ROWS.items()}
        _make_database(folder / "testsuite" / name / f"{name}_1.sqlite", name, more)
    return folder


def _entry(name: str) -> dict[str, Any]:
    tables = _TABLES[name]
    columns = [(at, column) for at, (_, those) in enumerate(tables) for column in those]
    names = [[-1, "*"], *([at, column] for at, (column, _) in columns)]
    keys = [1 + index for index, (at, (column, _)) in enumerate(columns) if column == f"{tables[at][0]}_id"]
    return {
        "db_id": name,
        "table_names": [table for table, _ in tables],
        "table_names_original": [table for table, _ in tables],
        "column_names": names,
        "column_names_original": names,
        "column_types": ["text", *(kind for _, (_, kind) in columns)],
        "primary_keys": keys,
        "foreign_keys": [[6, 1]] if name == "zoo" else [],
    }


def _make_database(path: Path, name: str, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    for table, columns in _TABLES[name]:
        kinds = {"number": "INTEGER", "text": "TEXT"}
        connection.execute(f"CREATE TABLE {table} ({', '.join(f'{c} {kinds[k]}' for c, k in columns)})")
        connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", rows[table])
    connection.commit()
    connection.close()


@pytest.fixture(scope="module")
def run(command: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: command(main, *arguments)


@pytest.fixture(scope="module")
def spider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_spider_folder(tmp_path_factory.mktemp("spider") / "data")


def predictions_file(path: Path, queries: list[str]) -> Path:
    path.write_text("\n".join(queries) + "\n", encoding="utf-8")
    return path


def checksums(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


WRONG = [
    "SELECT count(*) FROM keeper",
    "SELECT name FROM keeper WHERE age > 40 OR 1 = 1",  # wrong rows
    "SELECT name FROM keeper ORDER BY age DESC",  # wrong order
    "DROP TABLE keeper",  # refused
    "SELECT count(*) FROM books",  # unknown table
    "SELECT titel FROM book",  # unknown column
    "SELECT title FROM book WHERE pages = 320",  # right here, wrong on the other file of the suite
    "",  # empty
]


def test_gold_against_gold(spider: Path, tmp_path: Path, shell: Callable[..., Any], read_json: Any) -> None:
    before = checksums(spider)
    gold = predictions_file(tmp_path / "gold.sql", [f"{sql}\tzoo" for sql in GOLD])
    done = shell(
        "scripts/evaluate_spider_external.py",
        "--spider_dir",
        spider,
        "--predictions",
        gold,
        "--test_suite_dir",
        spider / "testsuite",
        "--out_dir",
        tmp_path / "out",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = read_json(tmp_path / "out" / "eval_spider.json")
    names = ("n", "execution_accuracy", "test_suite_accuracy", "exact_set_match")
    assert [report[name] for name in names] == [8, 1.0, 1.0, 1.0]
    assert report["errors"] == {}
    assert {name: part["n"] for name, part in report["by_hardness"].items()} == {"easy": 6, "medium": 2}
    assert {"by_database", "confidence_interval_95", "rules", "versions"} <= set(report)
    assert checksums(spider) == before
    assert "report: " in done.stdout


def test_every_class_of_error_and_every_file(
    spider: Path, tmp_path: Path, read_json: Any, read_lines: Any, run: Any
) -> None:
    predictions = predictions_file(tmp_path / "p.sql", WRONG)
    done = run(
        "--spider_dir",
        spider,
        "--predictions",
        predictions,
        "--test_suite_dir",
        spider / "testsuite",
        "--out_dir",
        tmp_path / "out",
    )
    assert done.code == 0, done.err
    rows = read_lines(tmp_path / "out" / "eval_spider.jsonl")
    assert [row["error"] for row in rows] == [
        None,
        "wrong_rows",
        "wrong_order",
        "refused",
        "unknown_table",
        "unknown_column",
        None,
        "empty",
    ]
    assert [row["exec"] for row in rows] == [row["error"] is None for row in rows]
    assert [row["exec_suite"] for row in rows] == [True, *[False] * 5, True, False]
    assert list(rows[0]) == [
        "index",
        "db_id",
        "question",
        "gold",
        "predicted",
        "exec",
        "exec_suite",
        "exact",
        "hardness",
        "error",
        "seconds",
    ]
    report = read_json(tmp_path / "out" / "eval_spider.json")
    assert report["execution_accuracy"] == 0.25
    assert sum(report["errors"].values()) == 6
    html = (tmp_path / "out" / "eval_spider.html").read_text(encoding="utf-8")
    assert "DROP TABLE keeper" in html.replace("<mark>", "").replace("</mark>", "")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "eval_spider.json",
        "eval_spider.jsonl",
        "eval_spider.md",
        "eval_spider.html",
        "eval_spider_hardness.png",
        "eval_spider_databases.png",
        "eval_spider_errors.png",
    }


def test_workers_change_nothing(spider: Path, tmp_path: Path, read_lines: Any, run: Any) -> None:
    predictions = predictions_file(tmp_path / "p.sql", WRONG)
    for workers in (1, 2):
        flags = ("--predictions", predictions, "--out_dir", tmp_path / str(workers), "--workers", workers)
        assert run("--spider_dir", spider, *flags).code == 0
    one, two = (read_lines(tmp_path / name / "eval_spider.jsonl") for name in ("1", "2"))
    assert [{**row, "seconds": 0} for row in one] == [{**row, "seconds": 0} for row in two]
    assert {row["exec_suite"] for row in one} == {None}


def test_sample_of_json_lines(spider: Path, tmp_path: Path, read_lines: Any, read_json: Any, run: Any) -> None:
    rows = [json.dumps({"index": i, "sql": sql}) for i, sql in enumerate(GOLD)]
    predictions = predictions_file(tmp_path / "p.jsonl", rows[::-1])
    flags = ("--spider_dir", spider, "--predictions", predictions, "--max_examples", 4, "--out_dir", tmp_path / "out")
    assert run(*flags).code == 0
    report = read_json(tmp_path / "out" / "eval_spider.json")
    assert (report["n"], report["execution_accuracy"], report["test_suite_accuracy"]) == (4, 1.0, None)
    chosen = [row["index"] for row in read_lines(tmp_path / "out" / "eval_spider.jsonl")]
    assert len(set(chosen)) == 4
    assert run(*flags).code == 0
    assert [row["index"] for row in read_lines(tmp_path / "out" / "eval_spider.jsonl")] == chosen


def test_without_databases_only_exact_set_match(tmp_path: Path, read_json: Any, read_lines: Any, run: Any) -> None:
    folder = make_spider_folder(tmp_path / "bare", databases=False)
    gold = predictions_file(tmp_path / "gold.sql", [*GOLD[:-1], "SELECT 1 FROM book"])
    done = run("--spider_dir", folder, "--predictions", gold, "--out_dir", tmp_path / "out")
    assert done.code == 0, done.err
    assert "only exact set match is measured" in done.out
    report = read_json(tmp_path / "out" / "eval_spider.json")
    assert (report["execution_accuracy"], report["exact_set_match"]) == (None, 0.875)
    assert report["errors"] == {"no_exact_match": 1}
    assert read_lines(tmp_path / "out" / "eval_spider.jsonl")[0]["exec"] is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"SELECT 1\nSELECT 2\n", "line 2: the file ends, with 2 queries for 8 examples"),
        (b"SELECT 1\n" * 6 + b"SELECT '\xff'\nSELECT 1\n", "line 7 is not UTF-8 (byte 8)"),
        (b'{"index": 0, "sql": "a"}\n{"index": 8, "sql": "b"}\n', "line 2: index 8 is unknown; there are"),
        (b'{"index": 0, "sql": "a"}\n{"index": 0, "sql": "b"}\n', "line 2: index 0 is there twice"),
        (b'{"index": 0, "sql": "a"}\n', "index 1 is missing; it has 1 predictions"),
        (b'{"index": 0, "sql": "a"}\n{"index": 1}\n', "line 2, field sql: missing"),
        (b'{"index": true, "sql": "a"}\n', "line 1, field index: expected a number from 0 to 7, got boolean"),
        (b'{"index": 0, "sql": "a"}\nSELECT 1\n', "line 2 is not JSON"),
    ],
)
def test_mistakes_in_predictions_name_file_and_line(
    spider: Path, tmp_path: Path, content: bytes, message: str, run: Any
) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(content)
    error = run("--spider_dir", spider, "--predictions", path, "--out_dir", tmp_path / "out").error
    assert error.startswith(str(path))
    assert message in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "no answers to score: give --predictions FILE, or --base_model or --adapter_dir"),
        (["--predictions", "nowhere.sql"], "nowhere.sql: no such file"),
        (["--predictions", "a", "--base_model", "b"], "the answers come from one of them"),
        (["--base_model", "b", "--few_shot", "2"], "--few_shot 2 needs --train_file"),
        (["--predictions", "a", "--workers", "0"], "--workers must be at least 1"),
        (["--predictions", "a", "--test_suite_dir", "nowhere"], "--test_suite_dir nowhere: no such folder"),
        (["--predictions", "a", "--max_examples", "0"], "--max_examples is 0; it must be at least 1"),
    ],
)
def test_wrong_flags(spider: Path, flags: list[str], message: str, run: Any) -> None:
    assert message in run("--spider_dir", spider, *flags).error


def test_the_hub_out_of_reach_is_one_line(tmp_path: Path, run: Any) -> None:
    error = run("--predictions", tmp_path / "p.sql").error
    assert "xlangai/spider is not on this machine and the hub cannot be reached" in error
    assert "--spider_dir" in error


def test_help_needs_no_torch(shell: Callable[..., Any]) -> None:
    for script in ("evaluate_spider_external", "evaluate_internal", "compare_evaluations"):
        code = (
            f"import sys, runpy; sys.argv = ['x', '--help']\ntry: runpy.run_path('scripts/{script}.py', "
            "run_name='__main__')\nexcept SystemExit: pass\nheavy = {'torch', 'transformers', 'lightning', "
            "'matplotlib', 'sqlglot', 'datasets'} & set(sys.modules)\nassert not heavy, heavy"
        )
        done = shell("-c", code)
        assert done.returncode == 0, done.stderr
        assert "--out_dir" in done.stdout


def test_answers_of_a_model(
    spider: Path,
    tmp_path: Path,
    tiny_model_flags: list[str],
    records_file: Any,
    read_lines: Any,
    read_json: Any,
    run: Any,
) -> None:
    flags = (
        "--spider_dir",
        spider,
        *tiny_model_flags,
        "--sample_values",
        2,
        "--few_shot",
        2,
        "--train_file",
        records_file("train", 8),
        "--out_dir",
        tmp_path / "out",
    )
    done = run(*flags)
    assert done.code == 0, done.err
    rows = read_lines(tmp_path / "out" / "predictions_spider.jsonl")
    scored = read_lines(tmp_path / "out" / "eval_spider.jsonl")
    assert [(row["index"], row["sql"]) for row in rows] == [(row["index"], row["predicted"]) for row in scored]
    facts = read_json(tmp_path / "out" / "eval_spider.json")["run"]
    assert facts["prompt"] == "project"
    assert facts["few_shot"].startswith("2 examples of")
    assert facts["sample_values"] == "2 of each column"
    again = run(
        "--spider_dir",
        spider,
        "--predictions",
        tmp_path / "out" / "predictions_spider.jsonl",
        "--max_examples",
        3,
        "--out_dir",
        tmp_path / "again",
    )
    assert again.code == 0, again.err
    assert "no chat template" in run(*flags, "--prompt", "chat").error


def names_in(sql: str) -> set[str]:
    return {token.value.lower() for token in tokenize(sql) if token.kind in ("word", "name", "quoted")}


def check_prompts(folder: Path, *, sample_values: int = 0) -> int:
    """Every table and column of the schema that a gold query names is declared in its prompt."""
    source = load_spider(folder)
    questions = spider_questions(source, source.examples, sample_values=sample_values)
    found = 0
    for example, question in zip(source.examples, questions, strict=True):
        prompt = project_prompt(question)
        assert example.question in prompt
        declared = names_in(prompt.split("### Schema:")[1].split("### Question:")[0])
        schema = source.schemas[example.db_id]
        known = {table.name.lower() for table in schema.tables}
        known |= {column.name.lower() for table in schema.tables for column in table.columns}
        assert known <= declared
        used = names_in(example.gold) & known
        assert used, example.gold
        found += len(used & declared)
        assert used <= declared, (example.index, used - declared)
    return found


def test_prompts_hold_the_whole_schema(spider: Path) -> None:
    assert check_prompts(spider) > 15
    source = load_spider(spider)
    (question,) = spider_questions(source, source.examples[:1])
    assert question.context == (
        "CREATE TABLE keeper (keeper_id number PRIMARY KEY, name text, age number); "
        "CREATE TABLE animal (animal_id number PRIMARY KEY, kind text, keeper_id number, "
        "FOREIGN KEY (keeper_id) REFERENCES keeper (keeper_id))"
    )
    (question,) = spider_questions(source, source.examples[4:5], sample_values=2)
    assert question.context == (
        "CREATE TABLE book (book_id number PRIMARY KEY /* e.g. 1, 2 */, title text /* e.g. 'Tides', 'Moss' */, "
        "pages number /* e.g. 120, 320 */)"
    )


def test_compare(
    spider: Path, tmp_path: Path, read_json: Any, shell: Callable[..., Any], run: Any, command: Any
) -> None:
    for name, queries in (("gold", GOLD), ("wrong", WRONG)):
        path = predictions_file(tmp_path / f"{name}.sql", queries)
        assert run("--spider_dir", spider, "--predictions", path, "--out_dir", tmp_path / name).code == 0
    files = [tmp_path / name / "eval_spider.jsonl" for name in ("wrong", "gold")]
    done = shell("scripts/compare_evaluations.py", *files, "--out_dir", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "only A right 0, only B right 6. gold is better by 0.750" in done.stdout
    result = read_json(tmp_path / "out" / "comparison.json")
    assert (result["a_name"], result["b_name"], result["p_value"]) == ("wrong", "gold", 0.03125)
    assert result["only_b_right_examples"] == ["1", "2", "3", "4", "5", "7"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"comparison.json", "comparison.md", "comparison.html", "comparison.png"}
    broken = predictions_file(tmp_path / "broken.jsonl", ["{}"])
    error = command(compare_main, files[0], broken, "--out_dir", tmp_path).error
    assert f"{broken}, line 1: no line of an evaluation" in error


needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the reference data beside the repository")


@needs_shared
def test_every_table_and_column_of_dev_is_in_its_prompt() -> None:
    assert check_prompts(SHARED) > 1034
    assert check_prompts(SHARED, sample_values=3) > 1034


@needs_shared
def test_two_hundred_real_predictions(tmp_path: Path, read_json: Any, read_lines: Any, run: Any) -> None:
    done = run(
        "--spider_dir",
        SHARED,
        "--predictions",
        SHARED / "predictions" / "codes-1b.sql",
        "--max_examples",
        200,
        "--out_dir",
        tmp_path,
        "--workers",
        2,
    )
    assert done.code == 0, done.err
    recorded = read_lines(SHARED / "predictions" / "codes-1b.reference.jsonl")
    rows = read_lines(tmp_path / "eval_spider.jsonl")
    assert len(rows) == 200
    for row in rows:
        official = recorded[row["index"]]
        assert row["exec"] == bool(official["exec"]), row
        assert (row["exact"], row["hardness"]) == (bool(official["exact"]), official["hardness"]), row
    report = read_json(tmp_path / "eval_spider.json")
    assert {name: part["n"] for name, part in report["by_hardness"].items()} == {
        "easy": 48,
        "medium": 86,
        "hard": 34,
        "extra": 32,
    }
