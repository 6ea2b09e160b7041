"""Fingerprints of questions and queries: hashes for the same ones, MinHash sketches for questions that nearly are."""

import gzip
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

from text2sql_lightning.errors import DataError, missing_extra
from text2sql_lightning.files.atomic import write_bytes
from text2sql_lightning.prepare.normal_form import NormalQuery, normal_query, question_key, question_words
from text2sql_lightning.text.sql_tokens import keywords

SKETCH_SIZE: Final = 128
"""Bytes of a sketch: the lowest byte of as many minima. The error of the similarity is about 0.04."""

_SEED: Final = 1
_GRAM: Final = 3
_COLLISION: Final = 1 / 256
_STOP_WORDS: Final = keywords(
    """a all also an and any are as at be been both by can could did display do does each every find for from get give
    given had has have her his how i if in into is it its list many me much name names number of on or our out please
    provide return s select show tell than that the their them there these they this those to total up us was we were
    what when where which while who whom whose will with you your
    zero one two three four five six seven eight nine ten"""
)


def question_features(question: str, literal_words: frozenset[str] = frozenset()) -> list[str]:
    """Return what stays of a question when it is put in other words, each feature once, sorted.

    Numbers, the words of the query's literals and the words that every question has go. Of each word that is left the
    plural's ending goes, and its trigrams are taken, so that a typing error changes few of them. The order of the
    words does not count.
    """
    words = {
        _singular(word)
        for word in question_words(question)
        if word not in _STOP_WORDS and word not in literal_words and not word[0].isdigit()
    }
    return sorted({f" {word} "[at : at + _GRAM] for word in words for at in range(len(word) + 3 - _GRAM)})


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def sketch(features: Sequence[str]) -> bytes:
    """Reduce features to `SKETCH_SIZE` bytes that two sets of features can be compared by; to none for no features.

    This is b-bit minwise hashing (Li and König, 2010) with b = 8 over the MinHash of the datasketch library.
    """
    if not features:
        return b""
    import numpy as np

    minhash = _empty_minhash().copy()
    minhash.update_batch([feature.encode() for feature in features])
    return bytes((minhash.hashvalues & 0xFF).astype(np.uint8))


@lru_cache(maxsize=1)
def _empty_minhash() -> Any:
    try:
        from datasketch import MinHash
    except ImportError as error:
        raise missing_extra("the search for near-duplicates", "datasketch", "build", "--no_decontaminate") from error
    return MinHash(num_perm=SKETCH_SIZE, seed=_SEED, scheme="affine32")


def similarities(one: bytes, others: Any) -> Any:
    """Estimate the Jaccard similarity of the features behind sketches.

    Args:
        one: A sketch.
        others: Other sketches, an array of `[n, SKETCH_SIZE]` bytes; zeros for no features.

    Returns:
        An array of n numbers, 0 to 1.
    """
    import numpy as np

    equal = (others == np.frombuffer(one, np.uint8)).mean(axis=1)
    return np.maximum(0.0, (equal - _COLLISION) / (1 - _COLLISION))


NORMAL_FORM_VERSION: Final = 3
"""Raised whenever a fingerprint comes out otherwise, for then the shipped ones must be made again."""

SPIDER_DEV_FILE: Final = "spider_dev.txt.gz"
SPIDER_DEV_NAME: Final = "spider-dev"
_SHORT: Final = 16
_PROBE: Final = ("probe", "sketch")
_PROBE_QUERY: Final = """
WITH w AS (SELECT a FROM b) SELECT DISTINCT t.a, count(*), CAST(b AS REAL), CASE WHEN a > 1 THEN 'x'
ELSE substr(b, 1, 2) END FROM t AS t JOIN u USING (i) LEFT JOIN w ON t.a = w.a WHERE a LIKE '%x' AND NOT b IN (1, 2)
OR c BETWEEN 1 AND "y" AND d IS NOT NULL AND NOT EXISTS (SELECT max(a) FROM v) GROUP BY a, b
HAVING count(DISTINCT c) >= 2 UNION ALL SELECT rank() OVER (PARTITION BY a ORDER BY b DESC) FROM x
ORDER BY a DESC LIMIT 3 OFFSET 1
"""


class Fingerprint(NamedTuple):
    """Hashes of an example.

    Attributes:
        question: SHA-256 of `question_key`, in hex; empty where the question has no letter and no digit.
        query: SHA-256 of the canonical form with its table set, in hex; empty where there is no query.
        tables: The first 16 digits of the SHA-256 of the table set; empty where there is none.
        skeleton: The same of the canonical form without names.
        sketch: The question's `sketch`.
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
    """Return the fingerprint of an example: its question, and the normal form of its gold query."""
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
    """Return the fingerprints of Spider dev that are part of the package: one for each example, in its order.

    Raises:
        DataError: The package was installed without them, or they were made for another normal form or with other
            releases of datasketch and sqlglot.
    """
    resource = files("text2sql_lightning") / "prepare" / SPIDER_DEV_FILE
    if not resource.is_file():
        raise DataError(f"this installation has no Spider fingerprints ({SPIDER_DEV_FILE}): reinstall the package")
    head, probe, *lines = gzip.decompress(resource.read_bytes()).decode().splitlines()
    if head != _head():
        raise DataError(f"{SPIDER_DEV_FILE} was made for another version of this package: reinstall the package")
    if probe != _probe():
        raise DataError(
            f"{SPIDER_DEV_FILE} was made with other releases of datasketch and sqlglot than those installed: "
            "install those of constraints.txt"
        )
    return [_parse(line) for line in lines]


def write_fingerprints(path: Path, fingerprints: Iterable[Fingerprint]) -> None:
    """Write fingerprints, one a line, as gzip-compressed text; equal fingerprints give equal bytes."""
    lines = [" ".join([*(digest or "-" for digest in entry[:-1]), entry.sketch.hex() or "-"]) for entry in fingerprints]
    write_bytes(path, gzip.compress("\n".join([_head(), _probe(), *lines, ""]).encode(), mtime=0))


def _head() -> str:
    return f"# Hashes of Spider dev, normal form {NORMAL_FORM_VERSION}: question, query, tables, skeleton, sketch"


def _probe() -> str:
    """Return a line that another release of a library that the hashes come from would write otherwise."""
    return f"# {sketch(_PROBE).hex()} {query_fingerprint(normal_query(_PROBE_QUERY))}"


def _parse(line: str) -> Fingerprint:
    question, query, tables, skeleton, drawn = (part.strip("-") for part in line.split(" "))
    return Fingerprint(question, query, tables, skeleton, bytes.fromhex(drawn))
