import json
import os
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.data.sources import RawRow
from text2sql_lightning.errors import DataError
from text2sql_lightning.prepare import output
from text2sql_lightning.prepare.output import DATASET_FILES, check_out_dir, open_dataset
from text2sql_lightning.prepare.pipeline import BuiltDataset, build_dataset
from text2sql_lightning.prepare.settings import BuildSettings
from text2sql_lightning.prepare.split import SPLITS

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def built() -> BuiltDataset:
    rows = [
        RawRow(f"Question | `{i}`?", f"CREATE TABLE t{i} (c{i} INTEGER)", f"SELECT c{i} FROM t{i}", i, "rows.jsonl")
        for i in range(40)
    ]
    rows.append(RawRow("Bad\nrow `x`?", "CREATE TABLE t (a)", "SELECT b FROM t", 40, "rows.jsonl"))
    return build_dataset(rows, BuildSettings())


def write_dataset(
    folder: Path, built: BuiltDataset, inputs: dict[str, str], *, overwrite: bool = False
) -> dict[str, Any]:
    with open_dataset(folder, overwrite=overwrite) as writer:
        (writer.scratch / "rows.sqlite").write_text("what a build leaves there")
        for split in SPLITS:
            for record in getattr(built, split):
                writer.add(split, record)
        return writer.finish(built.report, inputs)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_files_and_nothing_beside_them(tmp_path: Path, built: BuiltDataset) -> None:
    report = write_dataset(tmp_path / "a" / "data", built, {"rows.jsonl": "abc"})
    assert names(tmp_path / "a" / "data") == sorted(DATASET_FILES)
    assert names(tmp_path / "a") == ["data"]
    assert json.loads((tmp_path / "a" / "data" / "dataset_report.json").read_text()) == report
    assert report["inputs"] == {"rows.jsonl": "abc"}
    assert list(report["outputs"]) == ["train.jsonl", "val.jsonl", "test.jsonl"]
    for name in DATASET_FILES:
        assert str(tmp_path) not in (tmp_path / "a" / "data" / name).read_text()


def test_the_page_names_what_matters(tmp_path: Path, built: BuiltDataset) -> None:
    write_dataset(tmp_path / "data", built, {"rows.jsonl": "abc"})
    page = (tmp_path / "data" / "dataset_report.md").read_text()
    assert "| records kept | 40 |" in page
    assert "| gold unknown column | 1 |" in page
    assert "| gold unknown column | 40 | Bad row \\`x\\`? | SELECT b FROM t |" in page
    assert "| schema groups | 0 | 0 | 0 |" in page


def test_an_existing_data_set_is_refused_and_left_alone(tmp_path: Path, built: BuiltDataset) -> None:
    (tmp_path / "val.jsonl").write_text("mine")
    with pytest.raises(DataError, match=r"already holds val\.jsonl: give --overwrite to replace it"):
        write_dataset(tmp_path, built, {})
    assert names(tmp_path) == ["val.jsonl"]
    assert (tmp_path / "val.jsonl").read_text() == "mine"


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    for out_dir in (tmp_path / "data", tmp_path / "data" / "a" / "b"):
        with pytest.raises(DataError, match="data is a file; give a folder"):
            check_out_dir(out_dir, overwrite=True)


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(DataError, match="no permission to write in"):
        check_out_dir(tmp_path / "data", overwrite=True)


def test_overwrite_gives_the_same_bytes(tmp_path: Path, built: BuiltDataset) -> None:
    write_dataset(tmp_path / "data", built, {})
    first = {name: (tmp_path / "data" / name).read_bytes() for name in DATASET_FILES}
    write_dataset(tmp_path / "data", built, {}, overwrite=True)
    assert {name: (tmp_path / "data" / name).read_bytes() for name in DATASET_FILES} == first
    assert names(tmp_path) == ["data"]


def test_other_files_in_the_folder_stay(tmp_path: Path, built: BuiltDataset) -> None:
    folder = tmp_path / "data"
    (folder / "mine").mkdir(parents=True)
    (folder / "mine" / "notes.txt").write_text("keep")
    write_dataset(folder, built, {})
    write_dataset(folder, built, {}, overwrite=True)
    assert names(folder) == sorted([*DATASET_FILES, "mine"])
    assert (folder / "mine" / "notes.txt").read_text() == "keep"
    assert names(tmp_path) == ["data"]


def test_the_current_folder_may_be_the_one(
    tmp_path: Path, built: BuiltDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_dataset(Path(), built, {})
    assert names(Path.cwd()) == sorted(DATASET_FILES)


@pytest.mark.parametrize("failing", ["_write_report", "_install"])
def test_a_build_that_fails_leaves_the_old_data_set(
    tmp_path: Path, built: BuiltDataset, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    write_dataset(tmp_path / "data", built, {})
    before = {name: (tmp_path / "data" / name).read_bytes() for name in DATASET_FILES}

    def fail(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output, failing, fail)
    with pytest.raises(OSError):
        write_dataset(tmp_path / "data", built, {}, overwrite=True)
    assert {name: (tmp_path / "data" / name).read_bytes() for name in DATASET_FILES} == before
    assert names(tmp_path) == ["data"]


def test_a_swap_that_was_killed_is_undone_by_the_next_build(tmp_path: Path, built: BuiltDataset) -> None:
    write_dataset(tmp_path / "data", built, {})
    (tmp_path / "data").rename(tmp_path / ".data.old")  # what a kill between the two renames leaves
    (tmp_path / ".data.new").mkdir()
    with pytest.raises(DataError, match="already holds"):
        write_dataset(tmp_path / "data", built, {})
    assert names(tmp_path / "data") == sorted(DATASET_FILES)
    write_dataset(tmp_path / "data", built, {}, overwrite=True)
    assert names(tmp_path) == ["data"]


@pytest.mark.parametrize("error", [DataError("a row"), KeyboardInterrupt()])
def test_nothing_is_left_of_a_build_that_ends_early(tmp_path: Path, error: BaseException) -> None:
    def fail() -> None:
        with open_dataset(tmp_path / "a" / "b" / "data") as writer:
            (writer.scratch / "rows.sqlite").write_text("rows")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert names(tmp_path) == []


def test_one_build_at_a_time_in_a_folder(tmp_path: Path, built: BuiltDataset) -> None:
    with open_dataset(tmp_path / "data") as writer:
        with pytest.raises(DataError, match="another build is writing there; wait for it"):
            write_dataset(tmp_path / "data", built, {})
        writer.add("train", built.train[0])
        writer.finish(built.report, {})
    assert (tmp_path / "data" / "train.jsonl").read_text() == f"{built.train[0].to_json()}\n"


def test_a_data_set_that_appeared_in_the_meantime_is_left_alone(tmp_path: Path, built: BuiltDataset) -> None:
    with open_dataset(tmp_path / "data") as writer:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "val.jsonl").write_text("mine")
        with pytest.raises(DataError, match="already holds"):
            writer.finish(built.report, {})
    assert (tmp_path / "data" / "val.jsonl").read_text() == "mine"
    assert names(tmp_path) == ["data"]
