"""The command that writes the sample: the same seed gives the same rows and the same bytes every time."""

import argparse
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tqdm import tqdm

from text2sql_lightning.errors import ConfigError, Text2SQLError
from text2sql_lightning.files.jsonl import write_objects
from text2sql_lightning.sample.generation import generate_rows
from text2sql_lightning.sample.schemas import DOMAINS

logger = logging.getLogger(__name__)

ROWS_PER_SCHEMA: Final = 60


def write_sample(path: Path, *, seed: int = 42, rows_per_schema: int = ROWS_PER_SCHEMA) -> str:
    """Generate the sample and write it atomically.

    Args:
        path: The file to write, `.jsonl` or `.jsonl.gz`.
        seed: Seed of the generator.
        rows_per_schema: Rows for each schema, at least 1.

    Returns:
        The SHA-256 of the file.

    Raises:
        ConfigError: `rows_per_schema` is not positive, or the file cannot be written.
    """
    if rows_per_schema < 1:
        raise ConfigError(f"--rows_per_schema is {rows_per_schema}; give a number of at least 1")
    rows = generate_rows(DOMAINS, seed=seed, rows_per_schema=rows_per_schema)
    progress = tqdm(rows, total=len(DOMAINS) * rows_per_schema, unit="row", desc="sample")
    try:
        write_objects(path, (asdict(row) for row in progress))
    except OSError as error:
        raise ConfigError(
            f"--out {path} cannot be written ({error.strerror}); give a file in a folder of yours"
        ) from error
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(args: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, or with those of the process; a wrong one ends it with status 2."""
    parser = argparse.ArgumentParser(prog="python -m text2sql_lightning.sample", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="file to write, .jsonl or .jsonl.gz")
    parser.add_argument("--seed", type=int, default=42, help="seed of the generator (default: 42)")
    parser.add_argument(
        "--rows_per_schema",
        type=int,
        default=ROWS_PER_SCHEMA,
        help=f"rows for each schema (default: {ROWS_PER_SCHEMA})",
    )
    settings = parser.parse_args(args)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        digest = write_sample(settings.out, seed=settings.seed, rows_per_schema=settings.rows_per_schema)
    except Text2SQLError as error:
        parser.error(str(error))
    logger.info("wrote %s (SHA-256 %s)", settings.out, digest)
