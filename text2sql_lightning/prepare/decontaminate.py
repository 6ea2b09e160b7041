"""Find rows that are questions of test sets, which must not be trained on: the same ones and near-duplicates."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from text2sql_lightning.errors import DataError
from text2sql_lightning.files.jsonl import read_json_list, read_objects, text_field
from text2sql_lightning.prepare.fingerprints import (
    SKETCH_SIZE,
    SPIDER_DEV_NAME,
    Fingerprint,
    fingerprint,
    query_fingerprint,
    question_features,
    question_fingerprint,
    similarities,
    skeleton_fingerprint,
    sketch,
    spider_dev_fingerprints,
    tables_fingerprint,
)
from text2sql_lightning.prepare.normal_form import NormalQuery, normal_query

QUERY_FIELDS: Final = ("query", "sql", "SQL", "answer")
_FOLDER_FILES: Final = ("dev.json", "test.json")
_FLAG: Final = "--decontaminate_against"


@dataclass(frozen=True)
class BenchmarkExample:
    """A question of a benchmark and its gold query."""

    question: str
    query: str


def benchmark_files(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """Find the files of test sets: of folders in Spider's format (`dev.json`, `test.json` or both), or given as files.

    Returns:
        Name and path of every file; a name is the file's own and a number, `dev.json 1`.

    Raises:
        DataError: A folder has none of these files.
    """
    files = [file for path in paths for file in (_files_in(path) if path.is_dir() else [path])]
    return [(f"{file.name} {number}", file) for number, file in enumerate(files, start=1)]


def _files_in(folder: Path) -> list[Path]:
    found = [folder / name for name in _FOLDER_FILES if (folder / name).is_file()]
    if not found:
        raise DataError(
            f"{_FLAG} {folder}: has no {' and no '.join(_FOLDER_FILES)}; give a folder in Spider's format or a "
            ".jsonl file"
        )
    return found


def read_benchmark(path: Path) -> list[BenchmarkExample]:
    """Read a test set.

    Args:
        path: A .json file with a list of objects as in Spider, or JSON lines (.jsonl, .jsonl.gz). An object holds
            `question`, and its SQL as `query`, `sql`, `SQL` or `answer`.

    Returns:
        The examples in the order of the file, at least one.

    Raises:
        DataError: The file is missing, unreadable or empty, or a field is missing or not text; names the place.
    """
    try:
        if path.suffix == ".json":
            objects = [(f"entry {at}", entry) for at, entry in enumerate(read_json_list(path))]
        else:
            objects = [(f"line {line}", entry) for line, entry in read_objects(path)]
    except DataError as error:
        raise DataError(f"{_FLAG}: {error}; give a folder in Spider's format or a .jsonl file") from error
    examples = [_example(entry, f"{_FLAG} {path}, {place}") for place, entry in objects]
    if not examples:
        raise DataError(f"{_FLAG} {path}: holds no questions")
    return examples


def _example(entry: Mapping[str, Any], place: str) -> BenchmarkExample:
    field = next((name for name in QUERY_FIELDS if name in entry), QUERY_FIELDS[0])
    return BenchmarkExample(text_field(entry, "question", place), text_field(entry, field, place))


SIMILARITY_ON_SAME_TABLES: Final = 0.5
"""From this similarity on, two questions are near-duplicates when their queries are on the same set of tables."""

SIMILARITY_OF_SAME_SKELETON: Final = 0.8
"""The same for queries that are equal but for names and literals, on whatever tables."""

FEWEST_FEATURES: Final = 12
"""A question of fewer features, two short words, says too little to be the near-duplicate of another."""

Contamination = Literal["question", "query", "near_duplicate"]


@dataclass(frozen=True)
class Match:
    """What a row has in common with a benchmark.

    Attributes:
        kind: `question` when the benchmark has the same question, `query` when it has the same query on the same
            tables, `near_duplicate` for a similar question that asks for the same SQL.
        example: The example's place: name of the test set and position in it, from 0.
        similarity: Of the two questions, where they are near-duplicates.
    """

    kind: Contamination
    example: str
    similarity: float | None = None


class Detector:
    """Finds rows that are questions of a benchmark. Can be pickled; holds hashes only.

    Attributes:
        benchmarks: Names of what is searched.
    """

    def __init__(self, examples: Iterable[tuple[str, Fingerprint]], benchmarks: Iterable[str] = ()) -> None:
        """Collect what must be found: name and fingerprint of every example of the benchmarks."""
        import numpy as np

        self.benchmarks = tuple(benchmarks)
        entries = list(examples)
        self._names = [name for name, _ in entries]
        self._questions = _first_at(entry.question for _, entry in entries)
        self._queries = _first_at(entry.query for _, entry in entries)
        self._by_tables = _all_at(entry.tables for _, entry in entries)
        self._by_skeleton = _all_at(entry.skeleton for _, entry in entries)
        sketches = b"".join(entry.sketch or bytes(SKETCH_SIZE) for _, entry in entries)
        self._sketches = np.frombuffer(sketches, np.uint8).reshape(-1, SKETCH_SIZE)

    @classmethod
    def for_spider(cls, paths: Iterable[Path] = ()) -> "Detector":
        """Return the detector of a build: for the shipped hashes of Spider dev and the given test sets.

        Args:
            paths: Folders in Spider's format or files of `read_benchmark`.

        Raises:
            DataError: A test set cannot be read.
        """
        shipped = [(f"{SPIDER_DEV_NAME}:{at}", entry) for at, entry in enumerate(spider_dev_fingerprints())]
        files = benchmark_files(paths)
        given = [
            (f"{name}:{at}", _fingerprint(example))
            for name, path in files
            for at, example in enumerate(read_benchmark(path))
        ]
        return cls([*shipped, *given], ["Spider dev fingerprints", *(name for name, _ in files)])

    def find(self, question: str, query: NormalQuery) -> Match | None:
        """Return what a row has in common with a benchmark: the first kind of `Match` that applies, or None."""
        at = self._questions.get(question_fingerprint(question))
        if at is not None:
            return Match("question", self._names[at])
        at = self._queries.get(query_fingerprint(query))
        if at is not None:
            return Match("query", self._names[at])
        return self._find_near(question, query)

    def has_tables(self, query: NormalQuery) -> bool:
        """Return whether a query of a benchmark is on the same set of tables."""
        return tables_fingerprint(query) in self._by_tables

    def _find_near(self, question: str, query: NormalQuery) -> Match | None:
        on_tables = self._by_tables.get(tables_fingerprint(query))
        of_skeleton = self._by_skeleton.get(skeleton_fingerprint(query))
        if on_tables is None and of_skeleton is None:
            return None
        features = question_features(question, query.literal_words)
        if len(features) < FEWEST_FEATURES:
            return None
        drawn = sketch(features)
        on_tables_match = self._most_similar(drawn, on_tables, SIMILARITY_ON_SAME_TABLES)
        return on_tables_match or self._most_similar(drawn, of_skeleton, SIMILARITY_OF_SAME_SKELETON)

    def _most_similar(self, drawn: bytes, places: Any, threshold: float) -> Match | None:
        if places is None:
            return None
        found = similarities(drawn, self._sketches[places])
        best = int(found.argmax())
        if found[best] < threshold:
            return None
        return Match("near_duplicate", self._names[places[best]], round(float(found[best]), 2))


def _fingerprint(example: BenchmarkExample) -> Fingerprint:
    return fingerprint(example.question, normal_query(example.query))


def _first_at(digests: Iterable[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for at, digest in enumerate(digests):
        if digest:
            places.setdefault(digest, at)
    return places


def _all_at(digests: Iterable[str]) -> dict[str, Any]:
    """Return the positions of each hash, as arrays."""
    import numpy as np

    places: dict[str, list[int]] = defaultdict(list)
    for at, digest in enumerate(digests):
        if digest:
            places[digest].append(at)
    return {digest: np.array(positions) for digest, positions in places.items()}
