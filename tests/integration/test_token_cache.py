"""Several processes start at once on a large file: one of them encodes it, all of them train on the same batches."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

START = """
import json, sys
from pathlib import Path
from text2sql_lightning.data import encoding
from text2sql_lightning.data.datamodule import Text2SQLDataModule

path, tokenizer = sys.argv[1:]
encode = encoding.Encoding.__iter__

def noted(self):
    with Path(path).with_name("encoded").open("a") as file:
        file.write("x")
    return encode(self)

encoding.Encoding.__iter__ = noted
data = Text2SQLDataModule(train_path=path, tokenizer=tokenizer, batch_size=8, packing="shared_prefix")
data.setup("fit")
loader = data.train_dataloader()
print(json.dumps([type(loader.dataset).__name__, len(loader), next(iter(loader))["ids"]]))
"""


def test_one_process_encodes_for_all(tiny_llama_dir: Path, records_file: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    records_file("train", 6000).replace(path)
    command = [sys.executable, "-c", START, str(path), str(tiny_llama_dir)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(3)
    ]
    answers = []
    for process in started:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        answers.append(json.loads(out))
    assert answers[0][:2] == ["CachedExamples", 750]
    assert answers[1:] == answers[:1] * 2
    assert (tmp_path / "encoded").read_text() == "x"
    assert len(list((tmp_path / ".tokens").iterdir())) == 2
