"""evaluate_internal: the real command on a few records."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.commands.evaluate import main

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def records(records_file: Callable[..., Path]) -> Path:
    return records_file("test", 8)


@pytest.fixture(scope="module")
def gold(records: Path) -> dict[str, str]:
    rows = [json.loads(line) for line in records.read_text(encoding="utf-8").splitlines()]
    return {row["id"]: row["output"] for row in rows}


def predictions_file(path: Path, predictions: dict[str, str], key: str = "sql") -> Path:
    path.write_text("".join(json.dumps({"id": name, key: sql}) + "\n" for name, sql in predictions.items()))
    return path


def test_gold_against_gold(records: Path, gold: dict[str, str], tmp_path: Path, shell: Any, read_json: Any) -> None:
    path = predictions_file(tmp_path / "p.jsonl", gold, "predicted")
    done = shell(
        "scripts/evaluate_internal.py", "--records", records, "--predictions", path, "--out_dir", tmp_path / "out"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = read_json(tmp_path / "out" / "eval_internal.json")
    for figure in (
        "execution_accuracy",
        "execution_accuracy_case_blind",
        "exact_match",
        "exact_set_match",
        "valid_sql_rate",
    ):
        assert report[figure] == 1.0, figure
    assert (report["n"], report["gold_invalid"], report["errors"]) == (8, 0, {})
    assert {"rules", "versions", "by_hardness", "by_source", "confidence_interval_95"} <= set(report)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {f"eval_internal.{kind}" for kind in ("json", "jsonl", "md", "html")} <= names


def test_wrong_answers(
    records: Path, gold: dict[str, str], tmp_path: Path, command: Any, read_json: Any, read_lines: Any
) -> None:
    answers = dict(list(gold.items())[:6])
    names = list(answers)
    answers[names[0]] = "SELECT COUNT(*) FROM nowhere"
    answers[names[1]] = answers[names[1]].replace(">", "<")
    answers[names[2]] = f"{answers[names[2]]} DESC"
    answers[names[3]] = answers[names[3]].replace("Alpha", "alpha")
    answers[names[4]] = ""
    path = predictions_file(tmp_path / "p.jsonl", answers)
    done = command(main, "--records", records, "--predictions", path, "--out_dir", tmp_path / "out")
    assert done.code == 0, done.err
    rows = read_lines(tmp_path / "out" / "eval_internal.jsonl")
    assert [row["error"] for row in rows] == [
        "unknown_table",
        "wrong_rows",
        "wrong_order",
        "wrong_rows",
        "empty",
        None,
    ]
    assert [row["exec_case_blind"] for row in rows] == [False, False, False, True, False, True]
    assert [row["valid"] for row in rows] == [False, True, True, True, False, True]
    report = read_json(tmp_path / "out" / "eval_internal.json")
    assert report["n"] == 6
    assert report["execution_accuracy"] == pytest.approx(1 / 6)
    assert report["execution_accuracy_case_blind"] == pytest.approx(2 / 6)
    assert report["run"]["predictions"].endswith("(6 records)")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "other", "sql": "SELECT 1"}', "line 1: id 'other' is in none of the records"),
        ('{"sql": "SELECT 1"}', "line 1, field id: missing"),
        ('{"id": "sqlcc-test-000001"}', "line 1, field sql: missing"),
        ("SELECT 1", "line 1 is not JSON"),
        ("", "holds no predictions"),
    ],
)
def test_mistakes_name_file_and_line(records: Path, tmp_path: Path, command: Any, line: str, message: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(f"{line}\n", encoding="utf-8")
    assert f"{path}" in (error := command(main, "--records", records, "--predictions", path).error)
    assert message in error


def test_answers_of_a_model(
    records: Path, tiny_llama_dir: Path, tiny_model_flags: list[str], tmp_path: Path, command: Any, read_lines: Any
) -> None:
    flags = (
        "--records",
        records,
        *tiny_model_flags,
        "--out_dir",
        tmp_path / "out",
    )
    done = command(main, *flags)
    assert done.code == 0, done.err
    rows = read_lines(tmp_path / "out" / "predictions_internal.jsonl")
    assert list(rows[0]) == ["id", "question", "gold", "predicted", "raw", "num_tokens"]
    assert [row["id"] for row in rows] == [row["id"] for row in read_lines(tmp_path / "out" / "eval_internal.jsonl")]
    chatty = tmp_path / "chatty"
    shutil.copytree(tiny_llama_dir, chatty)
    (chatty / "chat_template.jinja").write_text(
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    done = command(main, *flags, "--base_model", chatty, "--prompt", "chat", "--out_dir", tmp_path / "chat")
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "chat" / "eval_internal.json").read_text())["run"]
    assert facts["prompt"].startswith("chat (template SHA-256 ")
    error = command(main, *flags, "--few_shot", 1, "--train_file", records).error
    assert "is the evaluated file; give the train split" in error


def test_every_command_answers_the_same(
    tiny: Any, tmp_path: Path, command: Any, text2sql: Any, read_lines: Any
) -> None:
    """`predict` and `test` in both precisions, and `evaluate`, which takes the one of the machine."""
    assert text2sql("fit", *tiny.flags(tmp_path), "--model.learning_rate", 0.002).code == 0
    adapter = tmp_path / "adapters"
    limit = ["--model.generation.max_new_tokens", 16, "--model.adapter_path", adapter, "--data.batch_size", 8]
    answers = {}
    for precision in ("32-true", "bf16-mixed"):
        flags = [*tiny.flags(tmp_path), *limit, "--data.predict_path", tiny.test, "--trainer.precision", precision]
        for name in ("predict", "test"):
            done = text2sql(name, *flags)
            assert done.code == 0, done.err[-2000:]
            rows = read_lines(tmp_path / name / "predictions.jsonl")
            answers[name, precision] = [(row["id"], row["predicted"], row["raw"], row["num_tokens"]) for row in rows]
        assert answers["predict", precision] == answers["test", precision]
    flags = ["--records", tiny.test, "--adapter_dir", adapter, "--quantization", "none", "--max_new_tokens", 16]
    done = command(main, *flags, "--backend", "transformers", "--out_dir", tmp_path / "out")
    assert done.code == 0, done.err
    rows = read_lines(tmp_path / "out" / "predictions_internal.jsonl")
    found = [(row["id"], row["predicted"], row["raw"], row["num_tokens"]) for row in rows]
    assert found == answers["predict", "32-true"]
    assert len({raw for _, _, raw, _ in found}) > 1
