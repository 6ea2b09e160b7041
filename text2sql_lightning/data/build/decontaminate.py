"""Find the rows of a training set that are questions of a benchmark."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from text2sql_lightning.data.build.fingerprints import (
    Fingerprints,
    fingerprint_all,
    query_fingerprint,
    question_fingerprint,
    spider_dev_fingerprints,
)
from text2sql_lightning.data.build.normal_form import NormalQuery, normal_query, question_words
from text2sql_lightning.errors import DataError

NEAR_DUPLICATE_SIMILARITY: Final = 0.8
"""Two questions are near-duplicates when the words they share are at least this part of all their words, and their
queries have the same skeleton: the same query but for names and literals."""

Contamination = Literal["question", "query", "near_duplicate"]


@dataclass(frozen=True)
class BenchmarkExample:
    """A question of a benchmark and its gold query."""

    question: str
    query: str


def read_spider_dev(folder: Path) -> list[BenchmarkExample]:
    """Read the questions of a Spider folder.

    Args:
        folder: A folder with `dev.json`.

    Returns:
        The questions with their gold queries.

    Raises:
        DataError: There is no dev.json, or it is not a list of objects with `question` and `query`.
    """
    path = folder / "dev.json"
    try:
        entries = json.loads(path.read_bytes())
        return [BenchmarkExample(str(entry["question"]), str(entry["query"])) for entry in entries]
    except OSError as error:
        raise DataError(
            f"--decontaminate_against {folder}: cannot read dev.json ({error.strerror or error}); give the folder of "
            "a Spider download"
        ) from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(
            f"--decontaminate_against {folder}: dev.json is not a list of objects with question and query "
            f"({type(error).__name__}: {error})"
        ) from error


class Detector:
    """Tells whether a row is a question of a benchmark."""

    def __init__(self, fingerprints: Fingerprints, examples: Sequence[BenchmarkExample] = ()) -> None:
        """Collect what must be found.

        Args:
            fingerprints: Hashes for the exact search.
            examples: Questions for the exact search and the search for near-duplicates.
        """
        queries = [normal_query(example.query) for example in examples]
        self._fingerprints = fingerprints | fingerprint_all((example.question for example in examples), queries)
        self._near: dict[str, list[frozenset[str]]] = defaultdict(list)
        for example, query in zip(examples, queries, strict=True):
            self._near[query.skeleton].append(frozenset(question_words(example.question)))

    @classmethod
    def for_spider(cls, folders: Iterable[Path] = ()) -> "Detector":
        """Make the detector of a build: the shipped hashes of Spider dev and the given Spider folders.

        Args:
            folders: Spider folders whose dev.json is searched as well, near-duplicates included.

        Returns:
            The detector.
        """
        examples = [example for folder in folders for example in read_spider_dev(folder)]
        return cls(spider_dev_fingerprints(), examples)

    def find(self, question: str, query: NormalQuery) -> Contamination | None:
        """Search for one row.

        Args:
            question: The row's question.
            query: The normal form of its SQL.

        Returns:
            `question` when a benchmark has the same question, `query` when it has the same query on the same tables,
            `near_duplicate` for a similar question with the same skeleton, None when nothing was found.
        """
        if question_fingerprint(question) in self._fingerprints.questions:
            return "question"
        if query_fingerprint(query) in self._fingerprints.queries:
            return "query"
        candidates = self._near.get(query.skeleton, ())
        words = frozenset(question_words(question)) if candidates else frozenset()
        if any(similarity(words, other) >= NEAR_DUPLICATE_SIMILARITY for other in candidates):
            return "near_duplicate"
        return None


def similarity(one: frozenset[Any], other: frozenset[Any]) -> float:
    """Give the Jaccard similarity of two sets.

    Args:
        one: A set.
        other: Another set.

    Returns:
        The size of the intersection over the size of the union, 0 to 1; 0 for two empty sets.
    """
    union = len(one | other)
    return len(one & other) / union if union else 0.0
