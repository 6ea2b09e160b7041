"""The folder of a built data set: it appears whole, and an old one stays as it is until then."""

import json
import os
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from text2sql_lightning.atomic import write_bytes
from text2sql_lightning.data.build.card import dataset_card
from text2sql_lightning.data.build.pipeline import BuiltDataset
from text2sql_lightning.data.build.report_html import report_html
from text2sql_lightning.data.build.report_page import report_page
from text2sql_lightning.data.records import write_records
from text2sql_lightning.errors import DataError

REPORT_FILE: Final = "dataset_report.json"
REPORT_PAGE: Final = "dataset_report.md"
REPORT_HTML: Final = "dataset_report.html"
CARD: Final = "dataset_card.md"
DATASET_FILES: Final = ("train.jsonl", "val.jsonl", "test.jsonl", REPORT_FILE, REPORT_PAGE, REPORT_HTML, CARD)


def check_out_dir(out_dir: Path, *, overwrite: bool) -> None:
    """Refuse a folder that cannot be written, before the work is done; leaves everything as it is.

    Args:
        out_dir: The folder to write to.
        overwrite: Whether a data set there may be replaced.

    Raises:
        DataError: The folder holds a data set, or it is a file or in one, or writing there is not permitted.
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


def write_dataset(
    out_dir: Path, built: BuiltDataset, inputs: dict[str, str], *, overwrite: bool = False
) -> dict[str, Any]:
    """Write a data set: records, the report as JSON, Markdown and HTML, and the card.

    The files are written beside the folder and then put in their place, so a build that fails or is killed leaves the
    old data set as it was.

    Args:
        out_dir: The folder. Other files in it stay.
        built: What to write.
        inputs: SHA-256 of what the rows came from, by name.
        overwrite: Whether a data set there may be replaced.

    Returns:
        The report as written: with the SHA-256 of inputs and outputs.

    Raises:
        DataError: The folder holds a data set and `overwrite` is not given.
    """
    out_dir = out_dir.resolve()
    new, old = (out_dir.with_name(f".{out_dir.name}.{state}") for state in ("new", "old"))
    _tidy_up(out_dir, old)
    check_out_dir(out_dir, overwrite=overwrite)
    shutil.rmtree(new, ignore_errors=True)
    try:
        report = _write_files(new, built, inputs)
        _install(new, out_dir, old)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        _tidy_up(out_dir, old)
    return report


def _install(new: Path, out_dir: Path, old: Path) -> None:
    is_shared = out_dir.is_dir() and (
        out_dir == Path.cwd() or any(path.name not in DATASET_FILES for path in out_dir.iterdir())
    )
    if is_shared:  # a folder that is not ours alone stays where it is
        for name in DATASET_FILES:
            (new / name).replace(out_dir / name)
        return
    if out_dir.exists():
        out_dir.rename(old)
    new.rename(out_dir)


def _tidy_up(out_dir: Path, old: Path) -> None:
    """End a swap, also one that was killed in the middle: the old folder goes back if the new one never came."""
    if old.exists():
        if out_dir.exists():
            shutil.rmtree(old)
        else:
            old.rename(out_dir)


def _write_files(folder: Path, built: BuiltDataset, inputs: dict[str, str]) -> dict[str, Any]:
    splits = {"train.jsonl": built.train, "val.jsonl": built.val, "test.jsonl": built.test}
    for name, records in splits.items():
        write_records(folder / name, records)
    outputs = {name: sha256((folder / name).read_bytes()).hexdigest() for name in splits}
    report = built.report | {"inputs": inputs, "outputs": outputs}
    write_bytes(folder / REPORT_FILE, (json.dumps(report, ensure_ascii=False, indent=2) + "\n").encode())
    write_bytes(folder / REPORT_PAGE, report_page(report).encode())
    write_bytes(folder / REPORT_HTML, report_html(report).encode())
    write_bytes(folder / CARD, dataset_card(report).encode())
    return report
