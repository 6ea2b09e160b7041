"""The CSV log of which a full disk takes nothing."""

from pathlib import Path
from typing import Any

import pytest
from lightning.fabric.loggers.csv_logs import _ExperimentWriter

from text2sql_lightning.runs.loggers import SafeCSVLogger

pytestmark = pytest.mark.unit


def test_a_failed_save_leaves_the_lines_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = SafeCSVLogger(str(tmp_path), name="logs")
    logger.log_metrics({"a": 1.0}, step=1)
    logger.save()
    path = Path(logger.log_dir) / "metrics.csv"
    before = path.read_bytes()
    assert before == b"a,step\r\n1.0,1\r\n"

    def full(self: Any, keys: Any) -> None:
        path.write_bytes(b"a,b,st")
        raise OSError(28, "No space left on device")

    logger.log_metrics({"a": 2.0, "b": 3.0}, step=2)
    with monkeypatch.context() as patch:
        patch.setattr(_ExperimentWriter, "_rewrite_with_new_header", full)
        with pytest.raises(OSError) as caught:
            logger.save()
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(".")] == []


def test_no_half_file_is_left_where_there_was_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = SafeCSVLogger(str(tmp_path), name="logs")
    logger.log_metrics({"a": 1.0}, step=1)

    def full(self: Any) -> None:
        (Path(self.log_dir) / "metrics.csv").write_bytes(b"a,st")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_ExperimentWriter, "save", full)
    with pytest.raises(OSError):
        logger.save()
    assert not (Path(logger.log_dir) / "metrics.csv").exists()
