"""The command that writes the sample as a gzip file with the same bytes every time."""

import argparse
import gzip
import hashlib
import json
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from text2sql_lightning.errors import ConfigError
from text2sql_lightning.sample.generation import SampleRow, generate_rows
from text2sql_lightning.sample.schemas import DOMAINS

logger = logging.getLogger(__name__)

ROWS_PER_SCHEMA = 60


def sample_bytes(rows: Iterable[SampleRow]) -> bytes:
    """The rows as gzipped JSON lines, without a time stamp, so that the same rows give the same bytes."""
    lines = (json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    return gzip.compress("".join(lines).encode(), compresslevel=9, mtime=0)


def write_sample(path: Path, *, seed: int, rows_per_schema: int) -> str:
    """Generate the sample and write it atomically.

    Args:
        path: The file to write (`.jsonl.gz`).
        seed: Seed of the generator.
        rows_per_schema: Rows for each schema.

    Returns:
        The SHA-256 of the file.

    Raises:
        ConfigError: `rows_per_schema` is not positive.
    """
    if rows_per_schema < 1:
        raise ConfigError(f"--rows_per_schema is {rows_per_schema}; give a number of at least 1")
    total = len(DOMAINS) * rows_per_schema
    rows = generate_rows(DOMAINS, seed=seed, rows_per_schema=rows_per_schema)
    content = sample_bytes(tqdm(rows, total=total, unit="row", desc="sample"))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)
    return hashlib.sha256(content).hexdigest()


def main(args: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, or those of the process."""
    parser = argparse.ArgumentParser(prog="python -m text2sql_lightning.sample", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="file to write, .jsonl.gz")
    parser.add_argument("--seed", type=int, default=42, help="seed of the generator (default: 42)")
    parser.add_argument(
        "--rows_per_schema",
        type=int,
        default=ROWS_PER_SCHEMA,
        help=f"rows for each schema (default: {ROWS_PER_SCHEMA})",
    )
    settings = parser.parse_args(args)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    digest = write_sample(settings.out, seed=settings.seed, rows_per_schema=settings.rows_per_schema)
    logger.info("wrote %s (SHA-256 %s)", settings.out, digest)
