"""The folder of a built dataset: it appears whole, and an old one stays as it is until then."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from hashlib import file_digest
from pathlib import Path
from typing import Any, BinaryIO, Final

from text2sql_lightning.data.records import Record
from text2sql_lightning.errors import DataError
from text2sql_lightning.files.atomic import errors_naming, write_bytes
from text2sql_lightning.prepare.report import dataset_card, write_report_pages
from text2sql_lightning.prepare.split import SPLITS

REPORT_FILE: Final = "dataset_report.json"
REPORT_PAGE: Final = "dataset_report.md"
REPORT_HTML: Final = "dataset_report.html"
CARD: Final = "dataset_card.md"
DATASET_FILES: Final = ("train.jsonl", "val.jsonl", "test.jsonl", REPORT_FILE, REPORT_PAGE, REPORT_HTML, CARD)


def check_out_dir(out_dir: Path, *, overwrite: bool) -> None:
    """Refuse a folder that cannot be written, before the work is done; leaves everything as it is.

    Args:
        out_dir: The folder to write to.
        overwrite: Whether a dataset there may be replaced.

    Raises:
        DataError: The folder holds a dataset, or it is a file or in one, or writing there is not permitted.
    """
    existing = next(path for path in (out_dir, *out_dir.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise DataError(f"--out_dir {out_dir}: {existing.name} is a file; give a folder")
    if not os.access(existing, os.W_OK):
        raise DataError(f"--out_dir {out_dir}: no permission to write in {existing}; give another folder")
    found = [name for name in DATASET_FILES if (out_dir / name).exists()]
    if found and not overwrite:
        raise DataError(
            f"--out_dir {out_dir} already holds {', '.join(found)}: give --overwrite to replace it, or another folder"
        )


class DatasetWriter:
    """Takes the records of a dataset, then its report; made by `open_dataset`.

    Attributes:
        scratch: An empty folder for what is needed until the dataset is finished.
    """

    def __init__(self, out_dir: Path, work: Path, overwrite: bool) -> None:
        """Start without records.

        Args:
            out_dir: Where the dataset will be.
            work: An empty folder beside it.
            overwrite: Whether a dataset may be there.
        """
        self._out_dir, self._overwrite = out_dir, overwrite
        self._new, self.scratch = work / "data", work / "scratch"
        self._new.mkdir()
        self.scratch.mkdir()
        self._files: dict[str, BinaryIO] = {split: (self._new / f"{split}.jsonl").open("wb") for split in SPLITS}

    def add(self, split: str, record: Record) -> None:
        """Write the next record of a split."""
        with errors_naming(self._out_dir / f"{split}.jsonl"):
            self._files[split].write(f"{record.to_json()}\n".encode())

    def finish(self, report: Mapping[str, Any], inputs: Mapping[str, str]) -> dict[str, Any]:
        """Write the report as JSON, Markdown and HTML and the card, and put the dataset in its place.

        Args:
            report: What `make_report` collected.
            inputs: SHA-256 of what the rows came from, by name.

        Returns:
            The report as written: with the SHA-256 of inputs and outputs.

        Raises:
            DataError: A dataset has appeared in the folder, and may not be replaced.
        """
        self.close()
        outputs = {f"{split}.jsonl": _hash_file(self._new / f"{split}.jsonl") for split in SPLITS}
        whole = {**report, "inputs": dict(inputs), "outputs": outputs}
        _write_report(self._new, whole)
        check_out_dir(self._out_dir, overwrite=self._overwrite)
        _install(self._new, self._out_dir)
        return whole

    def close(self) -> None:
        """Close the files of records."""
        for file in self._files.values():
            file.close()


@contextmanager
def open_dataset(out_dir: Path, *, overwrite: bool = False) -> Iterator[DatasetWriter]:
    """Write a dataset: records, the report as JSON, Markdown and HTML, and the card.

    The files are written beside the folder and put in their place by `DatasetWriter.finish`, so a build that fails or
    is killed leaves the old dataset as it was. What such a build leaves beside it goes with the next one.

    Args:
        out_dir: The folder. Other files in it stay.
        overwrite: Whether a dataset there may be replaced.

    Yields:
        What takes the records.

    Raises:
        DataError: The folder holds a dataset and `overwrite` is not given; it cannot be written; or another build is
            writing to it.
    """
    named, out_dir = out_dir, out_dir.resolve()
    made = [folder for folder in out_dir.parents if not folder.exists()]
    work = out_dir.with_name(f".{out_dir.name}.new")
    work.mkdir(parents=True, exist_ok=True)
    try:
        with _claimed(work, named):
            _tidy_up(out_dir)
            check_out_dir(named, overwrite=overwrite)
            for path in work.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            try:
                with closing(DatasetWriter(out_dir, work, overwrite)) as writer:
                    yield writer
            finally:
                _tidy_up(out_dir)
    finally:
        for folder in made:  # those that hold nothing
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def _claimed(work: Path, out_dir: Path) -> Iterator[None]:
    """Keep other builds away from the folder in which this one makes its dataset; it is gone at the end."""
    try:
        claim = _lock(work)
    except (BlockingIOError, FileNotFoundError) as error:
        raise DataError(
            f"--out_dir {out_dir}: another build is writing there; wait for it, or give another folder"
        ) from error
    with claim:
        try:
            yield
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _lock(folder: Path) -> ExitStack:
    """Lock a folder until the result is closed, or raise an OSError; Windows has no such locks."""
    claim = ExitStack()
    if sys.platform != "win32":
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
        claim.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(descriptor), folder.stat()):
                raise BlockingIOError  # the one before has just removed it
        except OSError:
            claim.close()
            raise
    return claim


def _install(new: Path, out_dir: Path) -> None:
    is_shared = out_dir.is_dir() and (
        out_dir == Path.cwd() or any(path.name not in DATASET_FILES for path in out_dir.iterdir())
    )
    if is_shared:  # a folder that is not ours alone stays where it is
        for name in DATASET_FILES:
            (new / name).replace(out_dir / name)
        return
    if out_dir.exists():
        out_dir.rename(_old(out_dir))
    new.rename(out_dir)


def _old(out_dir: Path) -> Path:
    """Where the old dataset is while the new one takes its place."""
    return out_dir.with_name(f".{out_dir.name}.old")


def _tidy_up(out_dir: Path) -> None:
    """End a swap, also one that was killed in the middle: the old folder goes back if the new one never came."""
    old = _old(out_dir)
    if old.exists():
        if out_dir.exists():
            shutil.rmtree(old)
        else:
            old.rename(out_dir)


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _write_report(folder: Path, report: dict[str, Any]) -> None:
    write_bytes(folder / REPORT_FILE, (json.dumps(report, ensure_ascii=False, indent=2) + "\n").encode())
    write_report_pages((folder / REPORT_FILE).with_suffix(""), report)
    write_bytes(folder / CARD, dataset_card(report).encode())
