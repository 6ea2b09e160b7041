"""Hashes of benchmark questions and queries, so that the package can recognise them without carrying them."""

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Final

from text2sql_lightning.data.build.normal_form import NormalQuery, question_key
from text2sql_lightning.data.jsonl import write_bytes
from text2sql_lightning.errors import DataError

NORMAL_FORM_VERSION: Final = 1
"""Raised whenever `normal_form` gives another result, for then the shipped hashes must be made again."""

SPIDER_DEV_FILE: Final = "spider_dev.txt.gz"
_HEADER: Final = f"# SHA-256 of normalised Spider dev questions and queries, normal form {NORMAL_FORM_VERSION}"


@dataclass(frozen=True)
class Fingerprints:
    """Hashes of what must not be trained on.

    Attributes:
        questions: SHA-256 of `question_key`, in hex.
        queries: SHA-256 of the normal form with its table set, in hex.
    """

    questions: frozenset[str]
    queries: frozenset[str]

    def __or__(self, other: "Fingerprints") -> "Fingerprints":
        """Join two sets of hashes."""
        return Fingerprints(self.questions | other.questions, self.queries | other.queries)


def question_fingerprint(question: str) -> str:
    """Hash a question; equal for questions that differ in case, punctuation and white space alone."""
    return sha256(question_key(question).encode()).hexdigest()


def query_fingerprint(query: NormalQuery) -> str:
    """Hash a query's normal form together with its table set."""
    return sha256(f"{','.join(query.tables)}\n{query.text}".encode()).hexdigest()


def fingerprint_all(questions: Iterable[str], queries: Iterable[NormalQuery]) -> Fingerprints:
    """Hash a benchmark.

    Args:
        questions: Its questions.
        queries: Its gold queries.

    Returns:
        The hashes.
    """
    return Fingerprints(frozenset(map(question_fingerprint, questions)), frozenset(map(query_fingerprint, queries)))


def spider_dev_fingerprints() -> Fingerprints:
    """Read the hashes of Spider dev that are part of the package.

    Returns:
        The hashes.

    Raises:
        DataError: The package was installed without them, or they were made for another normal form.
    """
    resource = files("text2sql_lightning") / "data" / "build" / SPIDER_DEV_FILE
    if not resource.is_file():
        raise DataError(f"this installation has no Spider fingerprints ({SPIDER_DEV_FILE}): reinstall the package")
    header, *lines = gzip.decompress(resource.read_bytes()).decode().splitlines()
    if header != _HEADER:
        raise DataError(f"{SPIDER_DEV_FILE} was made for another version of this package: reinstall the package")
    return Fingerprints(
        frozenset(line.removeprefix("question ") for line in lines if line.startswith("question ")),
        frozenset(line.removeprefix("query ") for line in lines if line.startswith("query ")),
    )


def write_fingerprints(path: Path, fingerprints: Fingerprints) -> None:
    """Write hashes as sorted lines of gzip-compressed text; equal hashes give equal bytes.

    Args:
        path: The file.
        fingerprints: The hashes.
    """
    lines = [f"question {digest}" for digest in sorted(fingerprints.questions)]
    lines += [f"query {digest}" for digest in sorted(fingerprints.queries)]
    write_bytes(path, gzip.compress("\n".join([_HEADER, *lines, ""]).encode(), mtime=0))
