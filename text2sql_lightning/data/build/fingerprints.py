"""Hashes of benchmark questions and queries, so that the package can recognise them without carrying them."""

import gzip
from collections.abc import Iterable
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

from text2sql_lightning.atomic import write_bytes
from text2sql_lightning.data.build.near_duplicates import question_features, sketch
from text2sql_lightning.data.build.normal_form import NormalQuery, question_key
from text2sql_lightning.errors import DataError

NORMAL_FORM_VERSION: Final = 2
"""Raised whenever a fingerprint comes out otherwise, for then the shipped ones must be made again."""

SPIDER_DEV_FILE: Final = "spider_dev.txt.gz"
SPIDER_DEV_NAME: Final = "spider-dev"
_SHORT: Final = 16
_PROBE: Final = ("probe", "sketch")


class Fingerprint(NamedTuple):
    """What is known of an example.

    Attributes:
        question: SHA-256 of `question_key`, in hex; empty where the question has no letter and no digit.
        query: SHA-256 of the canonical form with its table set, in hex; empty where there is no query.
        tables: The first 16 digits of the SHA-256 of the table set; empty where there is none.
        skeleton: The same of the canonical form without names.
        sketch: The question's sketch of `near_duplicates`.
    """

    question: str
    query: str
    tables: str
    skeleton: str
    sketch: bytes


def question_fingerprint(question: str) -> str:
    """Hash a question; equal for questions that differ in case, punctuation and white space alone."""
    return _digest(question_key(question))


def query_fingerprint(query: NormalQuery) -> str:
    """Hash a query's canonical form together with its table set."""
    return _digest(query.canonical and f"{','.join(query.tables)}\n{query.canonical}")


def tables_fingerprint(query: NormalQuery) -> str:
    """Hash a query's table set."""
    return _digest(",".join(query.tables))[:_SHORT]


def skeleton_fingerprint(query: NormalQuery) -> str:
    """Hash a query without its names."""
    return _digest(query.skeleton)[:_SHORT]


def fingerprint(question: str, query: NormalQuery) -> Fingerprint:
    """Take the fingerprint of an example.

    Args:
        question: Its question.
        query: The normal form of its gold query.

    Returns:
        The fingerprint.
    """
    return Fingerprint(
        question_fingerprint(question),
        query_fingerprint(query),
        tables_fingerprint(query),
        skeleton_fingerprint(query),
        sketch(question_features(question, query.literal_words)),
    )


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest() if text else ""


def spider_dev_fingerprints() -> list[Fingerprint]:
    """Read the fingerprints of Spider dev that are part of the package.

    Returns:
        One for each example of dev.json, in its order.

    Raises:
        DataError: The package was installed without them, or they were made for another normal form or with another
            release of datasketch.
    """
    resource = files("text2sql_lightning") / "data" / "build" / SPIDER_DEV_FILE
    if not resource.is_file():
        raise DataError(f"this installation has no Spider fingerprints ({SPIDER_DEV_FILE}): reinstall the package")
    head, probe, *lines = gzip.decompress(resource.read_bytes()).decode().splitlines()
    if head != _head():
        raise DataError(f"{SPIDER_DEV_FILE} was made for another version of this package: reinstall the package")
    if probe != _probe():
        raise DataError(
            f"{SPIDER_DEV_FILE} was made with another release of datasketch than the one installed here: install the "
            "release of constraints.txt"
        )
    return [_parse(line) for line in lines]


def write_fingerprints(path: Path, fingerprints: Iterable[Fingerprint]) -> None:
    """Write fingerprints, one a line, as gzip-compressed text; equal fingerprints give equal bytes.

    Args:
        path: The file.
        fingerprints: The fingerprints.
    """
    lines = [" ".join([*(digest or "-" for digest in entry[:-1]), entry.sketch.hex() or "-"]) for entry in fingerprints]
    write_bytes(path, gzip.compress("\n".join([_head(), _probe(), *lines, ""]).encode(), mtime=0))


def _head() -> str:
    return f"# Hashes of Spider dev, normal form {NORMAL_FORM_VERSION}: question, query, tables, skeleton, sketch"


def _probe() -> str:
    return f"# {sketch(_PROBE).hex()}"


def _parse(line: str) -> Fingerprint:
    question, query, tables, skeleton, drawn = (part.strip("-") for part in line.split(" "))
    return Fingerprint(question, query, tables, skeleton, bytes.fromhex(drawn))
