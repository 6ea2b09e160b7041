import gzip
import json
import os
import re
import signal
import string
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from text2sql_lightning.data.records import Record, read_records
from text2sql_lightning.sql.execution import execute
from text2sql_lightning.sql.testdb.filling import make_databases

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
FILES = (
    "train.jsonl",
    "val.jsonl",
    "test.jsonl",
    "dataset_report.json",
    "dataset_report.md",
    "dataset_report.html",
    "dataset_card.md",
)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, str(ROOT / "scripts" / "build_dataset.py"), *map(str, arguments)]


def build(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=300, env=os.environ | environment, check=False
    )


def write_rows(path: Path, count: int) -> Path:
    lines = [
        json.dumps(
            {
                "question": f"What is the size of Lake {index}?",
                "context": f"CREATE TABLE lake_{index // 3} (name_{index // 3} VARCHAR, size INTEGER)",
                "answer": f'SELECT size FROM lake_{index // 3} WHERE name_{index // 3} = "lake {index}"',
            }
        )
        for index in range(count)
    ]
    lines.append(json.dumps({"question": "Who?", "context": "CREATE TABLE t (a)", "answer": "SELECT b FROM t"}))
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from text2sql_lightning.commands.build import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'lightning', 'transformers', 'datasets', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--decontaminate_against" in done.stdout
    assert time.perf_counter() - started < 10  # about 0.4 s alone on a machine


def test_a_build_from_end_to_end(tmp_path: Path) -> None:
    rows, out = write_rows(tmp_path / "rows.jsonl.gz", 90), tmp_path / "data"
    done = build("--input_jsonl", rows, "--out_dir", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"Wrote train 81, val 6, test 3 records to {out}; report: {out / 'dataset_report.md'}",
        "Dropped 1 of 91 rows: gold_unknown_column 1",
    ]
    assert sorted(content(out)) == sorted(FILES)
    records = read_records(out / "val.jsonl")
    assert records[0].id == "sqlcc-val-000001"
    assert records[0].output is not None
    assert '"Lake ' in records[0].output
    first = content(out)

    refused = build("--input_jsonl", rows, "--out_dir", out)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"error: --out_dir {out} already holds train.jsonl")
    assert refused.stderr.count("\n") == 1
    assert content(out) == first

    again = build("--input_jsonl", rows, "--out_dir", out, "--overwrite", "--workers", "1", PYTHONHASHSEED="7")
    assert again.returncode == 0, again.stderr
    assert content(out) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "rows.jsonl.gz"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--input_jsonl", "none.jsonl"], "error: none.jsonl: no such file"),
        (["--val_ratio", "2"], "error: --val_ratio 2.0: give a share of at least 0 and below 1"),
        (["--seed", "x"], "error: argument --seed: invalid int value: 'x' (see text2sql build --help)"),
        (["--max_row", "5"], "error: unrecognized arguments: --max_row 5 (see text2sql build --help)"),
        (
            ["--input_jsonl", "rows.jsonl.gz", "--decontaminate_against", "nowhere"],
            "error: --decontaminate_against: nowhere: no such file; give a folder in Spider's format or a .jsonl file",
        ),
        (
            ["--input_jsonl", "rows.jsonl.gz", "--out_dir", "rows.jsonl.gz/data"],
            "error: --out_dir rows.jsonl.gz/data: rows.jsonl.gz is a file; give a folder",
        ),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "rows.jsonl.gz", 30)
    done = build(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].replace(f"{tmp_path}/", "") == line
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl.gz"]


def test_without_a_network_the_local_flag_is_named(tmp_path: Path) -> None:
    done = build("--out_dir", tmp_path / "data", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "hub"))
    assert done.returncode == 2
    assert "hub cannot be reached" in done.stderr.splitlines()[-1]
    assert "--input_jsonl FILE" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def wait_for_workers(pid: int) -> None:
    """Wait until a build has started its workers and is at work, however busy the machine is."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (children.exists() and len(children.read_text().split()) > 2):
        time.sleep(0.1)
    time.sleep(1)


def take_interrupts() -> None:
    """Undo what a background job of a shell inherits: there Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_leaves_the_old_data_set(tmp_path: Path) -> None:
    out = tmp_path / "data"
    assert build("--input_jsonl", write_rows(tmp_path / "few.jsonl.gz", 60), "--out_dir", out).returncode == 0
    before = content(out)
    many = write_rows(tmp_path / "many.jsonl.gz", 30_000)
    with subprocess.Popen(
        command("--input_jsonl", many, "--out_dir", out, "--overwrite", "--workers", "2"),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=take_interrupts,
    ) as process:
        wait_for_workers(process.pid)
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does: every process of the group gets it
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1].endswith("interrupted")
    assert "Traceback" not in errors
    assert content(out) == before  # and nothing is left of the rows that waited on disk
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "few.jsonl.gz", "many.jsonl.gz"]


def normalise(question: str) -> str:
    kept = "".join(character for character in question.lower() if character not in string.punctuation)
    return " ".join(kept.split())


def runs(record: Record) -> bool:
    assert record.output is not None
    databases = make_databases(record.context, record.output, seed=0, fillings=1)
    return execute(databases[0], record.output).error is None


def words_of(sql: str) -> str:
    """A query without literals, aliases, qualifiers and formatting, by the parse tree of another parser."""
    try:
        tree = sqlglot.parse_one(sql.replace('"', "'"), read="sqlite")
    except sqlglot.errors.SqlglotError:
        return sql
    for column in tree.find_all(exp.Column):
        column.set("table", None)
    for table in tree.find_all(exp.Table):
        table.set("alias", None)
    tree = tree.transform(lambda node: exp.Placeholder() if isinstance(node, exp.Literal) else node)
    return tree.sql(dialect="sqlite").lower()


def tables_of(sql: str) -> frozenset[str]:
    return frozenset(re.findall(r"(?:from|join)\s+([a-z_0-9]+)", sql.lower()))


@pytest.mark.parametrize("given", [False, True], ids=["by the shipped hashes", "by the Spider folder"])
def test_the_real_rows(tmp_path: Path, given: bool) -> None:
    source, spider = SHARED / "sql_create_context" / "rows.jsonl.gz", SHARED / "spider"
    if not source.is_file():
        pytest.skip("the real rows are not here")
    against = ["--decontaminate_against", spider] if given else []
    done = build("--input_jsonl", source, "--out_dir", tmp_path / "data", "--max_rows", "4000", *against)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "data" / "dataset_report.json").read_text())
    splits = {name: read_records(tmp_path / "data" / f"{name}.jsonl") for name in ("train", "val", "test")}
    everything = [record for records in splits.values() for record in records]
    assert report["rows_read"] == 4000
    assert len(everything) > 3600
    found = report["contamination"]
    assert found["same_question"] > 50
    assert len(found["rows"]) == found["same_question"] + found["same_query"] + found["near_duplicates"]
    examples = json.loads((spider / "dev.json").read_text())
    questions = {normalise(example["question"]) for example in examples}
    queries = {(tables_of(example["query"]), words_of(example["query"])) for example in examples}
    outputs = [(record.id, record.output or "") for record in everything]
    assert not [record.id for record in everything if normalise(record.question) in questions]
    assert not [name for name, sql in outputs if (tables_of(sql), words_of(sql)) in queries]
    for overlap in ("schema_groups", "schemas", "questions", "sql_templates"):
        assert set(report["schema_overlap"][overlap].values()) == {0}
    levels = [report["splits"][name]["hardness"] for name in ("train", "val", "test")]
    for level in ("easy", "medium", "hard", "extra"):
        whole = sum(counts[level] for counts in levels) / len(everything)
        assert all(abs(counts[level] / sum(counts.values()) - whole) < 0.02 for counts in levels)
    groups = [{record.meta["schema_group"] for record in records} for records in splits.values()]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    assert abs(len(splits["val"]) / len(everything) - 0.08) < 0.01
    assert abs(len(splits["test"]) / len(everything) - 0.05) < 0.01
    assert all(runs(record) for record in splits["test"][:100])


def test_lengths_in_tokens(tmp_path: Path, tiny_llama_dir: Path) -> None:
    rows, out = write_rows(tmp_path / "rows.jsonl.gz", 60), tmp_path / "data"
    done = build("--input_jsonl", rows, "--out_dir", out, "--tokenizer", tiny_llama_dir)
    assert done.returncode == 0, done.stderr
    tokens = json.loads((out / "dataset_report.json").read_text())["lengths"]["train"]["tokens"]
    assert set(tokens) == {"prompt", "output", "total"}
    assert 0 < tokens["output"]["max"] < tokens["prompt"]["max"] < tokens["total"]["max"]
    missing = build("--input_jsonl", rows, "--out_dir", out, "--overwrite", "--tokenizer", "./none")
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
    assert "--tokenizer ./none" in missing.stderr


PEAK = """
import resource, sys
from text2sql_lightning.commands.build import main

if __name__ == "__main__":
    code = main(sys.argv[1:])
    print(*(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
    sys.exit(code)
"""


def peak_memory(rows: Path, out: Path) -> int:
    """Build with two workers: the peak of the build's own process and twice that of the larger worker, in KiB."""
    script = out.with_suffix(".py")
    script.write_text(PEAK)
    command = [sys.executable, str(script), "--input_jsonl", str(rows), "--out_dir", str(out), "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=2400)
    own, worker = map(int, done.stdout.splitlines()[-1].split())
    return own + 2 * worker


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_memory_does_not_grow_with_rows(tmp_path: Path) -> None:
    few = SHARED / "sql_create_context" / "rows.jsonl.gz"
    source = few if few.is_file() else ROOT / "text2sql_lightning" / "assets" / "sample_rows.jsonl.gz"
    peaks = []
    for count in (20_000, 60_000):
        rows = tmp_path / f"{count}.jsonl.gz"
        repeat = [sys.executable, str(ROOT / "scripts" / "bench" / "many_rows.py"), str(source), str(count), str(rows)]
        subprocess.run(repeat, check=True, capture_output=True)
        peaks.append(peak_memory(rows, tmp_path / f"built_{count}"))
        report = json.loads((tmp_path / f"built_{count}" / "dataset_report.json").read_text())
        assert report["rows_read"] == count
        assert report["rows_kept"] > 0.9 * count
    assert peaks[1] <= 1.25 * peaks[0], peaks
