"""`text2sql ask`, the real command with a tiny model that has learnt a few answers by heart, and the same in Python."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

DDL = "CREATE TABLE singer (singer_id INTEGER PRIMARY KEY, name VARCHAR NOT NULL, age INTEGER)"
ANSWERS = {
    "How many singers are there?": "SELECT COUNT(*) FROM singer",
    "Who is there?": "SELECT name, age FROM singer ORDER BY age",
    "What is their height?": "SELECT height FROM singer",
    "Load this.": "SELECT load_extension('evil')",
    "Count for ever.": "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT MAX(n) FROM r",
    "Hello?": "Hello",
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("database") / "singers.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(DDL)
        rows = [(1, "Ann", 30), (2, "Bob [b]", None), (3, "Cy", 40)]
        connection.executemany("INSERT INTO singer VALUES (?, ?, ?)", rows)
    connection.close()
    return path


@pytest.fixture(scope="module")
def adapter_dir(tiny_llama_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that changes nothing on a tiny base model that has learnt the answers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from text2sql_lightning.text.prompts import INSTRUCTION, build_prompt, format_input
    from text2sql_lightning.text.tokenizer import encode_prompt, load_tokenizer

    torch.manual_seed(0)
    tokenizer = load_tokenizer(str(tiny_llama_dir))
    model: Any = AutoModelForCausalLM.from_pretrained(tiny_llama_dir, dtype=torch.float32)
    texts = [(build_prompt(INSTRUCTION, format_input(DDL, question)), sql) for question, sql in ANSWERS.items()]
    heads = [encode_prompt(tokenizer, prompt) for prompt, _ in texts]
    wholes = [[*encode_prompt(tokenizer, prompt + sql), tokenizer.eos_token_id] for prompt, sql in texts]
    width = max(map(len, wholes))
    ids = torch.tensor([whole + [0] * (width - len(whole)) for whole in wholes])
    labels = torch.full_like(ids, -100)
    for line, (head, whole) in enumerate(zip(heads, wholes, strict=True)):
        labels[line, len(head) : len(whole)] = ids[line, len(head) : len(whole)]
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(400):
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < 0.005:
            break
    assert loss.item() < 0.05
    folder = tmp_path_factory.mktemp("asked")
    model.save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    model.name_or_path = str(folder / "base")
    adapter = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    adapter.save_pretrained(folder / "adapters")
    (folder / "run_meta.json").write_text(json.dumps({"quantization": "none"}), encoding="utf-8")
    return folder / "adapters"


@pytest.fixture
def ask(text2sql: Callable[..., Any], adapter_dir: Path, database: Path) -> Callable[..., Any]:
    return lambda *arguments: text2sql("ask", "--adapter_dir", adapter_dir, "--db", database, *arguments)


def test_sql(ask: Callable[..., Any]) -> None:
    done = ask("How many singers are there?")
    assert (done.code, done.out) == (0, "SELECT COUNT(*) FROM singer\n")


def test_rows(ask: Callable[..., Any], database: Path) -> None:
    before = database.read_bytes()
    done = ask("Who is there?", "--run")
    assert done.code == 0
    assert done.out.startswith("SELECT name, age FROM singer ORDER BY age\n")
    assert [word in done.out for word in ("Ann", "Bob [b]", "NULL", "40", "3 rows")] == [True] * 5
    fewer = ask("Who is there?", "--run", "--max_rows", "1")
    assert "3 rows, the first 1 shown" in fewer.out
    assert "Ann" not in fewer.out
    assert database.read_bytes() == before
    assert [path.name for path in database.parent.iterdir()] == [database.name]


def test_json(ask: Callable[..., Any]) -> None:
    done = ask("Who is there?", "--run", "--json")
    content = json.loads(done.out)
    assert content.pop("seconds") >= 0
    assert content == {
        "question": "Who is there?",
        "sql": "SELECT name, age FROM singer ORDER BY age",
        "finished": True,
        "error": None,
        "columns": ["name", "age"],
        "rows": [["Bob [b]", None], ["Ann", 30], ["Cy", 40]],
        "num_rows": 3,
    }


@pytest.mark.parametrize(
    ("question", "error"),
    [("What is their height?", "unknown_column"), ("Load this.", "refused"), ("Count for ever.", "timeout")],
)
def test_sql_that_does_not_run(ask: Callable[..., Any], question: str, error: str) -> None:
    done = ask(question, "--run", "--timeout_s", "0.3")
    assert done.code == 1
    assert done.out == ANSWERS[question] + "\n"
    assert f"error: the SQL does not run ({error}): " in done.err
    assert "Traceback" not in done.err


def test_no_sql(ask: Callable[..., Any]) -> None:
    done = ask("Hello?")
    assert (done.code, done.out) == (1, "")
    assert "error: the model wrote no SQL, but 'Hello'" in done.err


def test_a_schema_instead_of_a_database(text2sql: Callable[..., Any], adapter_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "singers.sql"
    path.write_text(f"-- all of them\n{DDL};\n", encoding="utf-8")
    done = text2sql("ask", "--adapter_dir", adapter_dir, "--schema", path, "How many singers are there?")
    assert (done.code, done.out) == (0, "SELECT COUNT(*) FROM singer\n")
    done = text2sql("ask", "--adapter_dir", adapter_dir, "--schema", path, "Hello?", "--run")
    assert done.error.startswith("--run needs a database")


def test_samples_and_a_vote(ask: Callable[..., Any]) -> None:
    done = ask("Who is there?", "--num_samples", "3", "--temperature", "0.1", "--json")
    content = json.loads(done.out)
    assert content["sql"] == ANSWERS["Who is there?"]
    assert content["candidates"] == [ANSWERS["Who is there?"]] * 3


def test_beams(ask: Callable[..., Any]) -> None:
    """The likeliest beam is what the model knows by heart; where that does not run, another one that does."""
    fine, failing = "Who is there?", "What is their height?"
    content = json.loads(ask(fine, "--num_beams", "3", "--json").out)
    assert content["sql"] == content["candidates"][0] == ANSWERS[fine]
    assert len(content["candidates"]) == 3
    content = json.loads(ask(failing, "--num_beams", "3", "--json").out)
    assert content["candidates"][0] == ANSWERS[failing]
    assert content["sql"] in content["candidates"]
    content = json.loads(ask(failing, "--num_beams", "3", "--choice", "first", "--json").out)
    assert (content["sql"], "candidates" in content) == (ANSWERS[failing], False)


def test_retries(ask: Callable[..., Any]) -> None:
    """A model that knows its answers by heart draws the same ones again."""
    fine, failing = "Who is there?", "What is their height?"
    assert "candidates" not in json.loads(ask(fine, "--retries", "3", "--json").out)
    content = json.loads(ask(failing, "--retries", "3", "--temperature", "0.01", "--json").out)
    assert content["sql"] == ANSWERS[failing]
    assert content["candidates"] == [ANSWERS[failing]] * 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--db", "{database}", ""], "the question is empty"),
        (["--db", "{database}", " \n"], "the question is empty"),
        (["--db", "nowhere.sqlite", "Who?"], "no database file nowhere.sqlite"),
        (["--schema", "nowhere.sql", "Who?"], "the schema file nowhere.sql cannot be read (no such file)"),
        (["--db", "{database}", "Who?", "--adapter_dir", "nowhere"], "adapter_dir nowhere: there is no file"),
        (["--db", "{database}", "Who?", "--num_samples", "0"], "--num_samples is 0; it must be at least 1"),
        (["--db", "{database}", "Who?", "--num_beams", "0"], "--num_beams is 0; it must be at least 1"),
        (["--db", "{database}", "Who?", "--num_beams", "4", "--retries", "2"], "--retries is 2 with --num_beams 4"),
        (["--db", "{database}", "Who?", "--retries", "-1"], "--retries is -1; it must be 0 or more"),
        (["--db", "{database}", "Who?", "--choice", "vote"], "--choice is vote with --num_samples 1"),
        (["--db", "{database}", "Who?", "--timeout_s", "0"], "--timeout_s is 0.0"),
        (["Who?"], "one of the arguments --db --schema is required"),
        (["--db", "{database}"], "the following arguments are required: question"),
    ],
)
def test_mistakes(
    text2sql: Callable[..., Any], adapter_dir: Path, database: Path, arguments: list[str], words: str
) -> None:
    given = [argument.format(database=database) for argument in arguments]
    assert words in text2sql("ask", "--adapter_dir", adapter_dir, *given).error


@pytest.mark.parametrize("arguments", [["ask", "--help"], ["--help"], ["--version"]])
def test_help_needs_no_torch(shell: Callable[..., Any], arguments: list[str]) -> None:
    code = (
        "import sys; from text2sql_lightning.__main__ import main\n"
        f"try:\n    assert main({arguments!r}) == 0\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "assert not {'torch', 'transformers', 'lightning'} & set(sys.modules)"
    )
    done = shell("-c", code)
    assert done.returncode == 0, done.stderr
    assert {"ask": "--adapter_dir", "--help": "  estimate ", "--version": "text2sql_lightning "}[
        arguments[0]
    ] in done.stdout


def test_the_command_is_listed(text2sql: Callable[..., Any]) -> None:
    assert "  ask         answer a question" in text2sql("--help").out


def test_three_lines_of_python(adapter_dir: Path, database: Path) -> None:
    """The lines of docs/asking.md, run as they stand there with these paths."""
    page = (Path(__file__).parents[2] / "docs" / "asking.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    assert len([line for line in code.splitlines() if line]) == 3
    code = code.replace("outputs/quickstart/run/adapters", str(adapter_dir)).replace("concerts.sqlite", str(database))
    lines: list[str] = []
    exec(code, {"print": lines.append})
    assert lines == ["SELECT COUNT(*) FROM singer"]


def test_any_form_of_schema(adapter_dir: Path) -> None:
    from text2sql_lightning.inference.asking import Asker
    from text2sql_lightning.sql.schema import Schema

    asker = Asker.from_adapter(adapter_dir)
    answer = asker.answer("How many singers are there?", Schema.from_ddl(DDL))
    assert (answer.sql, answer.finished) == ("SELECT COUNT(*) FROM singer", True)
    assert asker.ask("How many singers are there?", f"{DDL};") == answer.sql
