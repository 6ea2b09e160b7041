"""One row, as a worker gets and gives it: cleaned, searched for in the benchmarks, and ready for the store."""

import pickle
from hashlib import sha256
from typing import NamedTuple

from text2sql_lightning.data.build.clean import TOO_LONG, CleanRow, DroppedRow, clean_row
from text2sql_lightning.data.build.decontaminate import Detector, Match
from text2sql_lightning.data.build.kept import RowFacts, row_facts
from text2sql_lightning.data.build.normal_form import normal_query
from text2sql_lightning.data.build.settings import LiteralCase
from text2sql_lightning.data.build.store import pickled


class PreparedRow(NamedTuple):
    """A row that will be a record unless it came before.

    Attributes:
        row: The pickled `CleanRow`.
        facts: What is kept in memory of it.
        digest: Equal for equal rows: of question, schema and query.
        benchmark_tables: The tables of its query where a benchmark's query stands on the same.
    """

    row: bytes
    facts: RowFacts
    digest: bytes
    benchmark_tables: tuple[str, ...] | None


def prepare_row(raw: bytes, literal_case: LiteralCase, detector: Detector | None) -> PreparedRow | DroppedRow:
    """Clean one row and search the benchmarks for it.

    Args:
        raw: The pickled `RawRow`.
        literal_case: Whether literals take the question's letter case.
        detector: Knows the benchmarks; None does not search.

    Returns:
        The row, or why it is dropped.
    """
    row = pickle.loads(raw)
    cleaned = clean_row(row, literal_case)
    if isinstance(cleaned, DroppedRow) and cleaned.reason == TOO_LONG:
        return cleaned  # nobody's benchmark; and features of megabytes take minutes
    # Whatever else is wrong with the row, so that the number of rows found says something about the source.
    match = _contamination(cleaned, detector) if detector else None
    if match:
        return DroppedRow(row, f"contaminated_{match.kind}", row.answer, match)
    return cleaned if isinstance(cleaned, DroppedRow) else _prepared(cleaned, detector)


def _contamination(row: CleanRow | DroppedRow, detector: Detector) -> Match | None:
    if isinstance(row, CleanRow):
        return detector.find(row.row.question, row.query)
    return detector.find(row.row.question, normal_query(row.row.answer))


def _prepared(row: CleanRow, detector: Detector | None) -> PreparedRow:
    same = detector is not None and detector.has_tables(row.query)
    digest = sha256(pickle.dumps((row.question, row.schema_id, row.sql), 4)).digest()[:16]
    return PreparedRow(pickled(row), row_facts(row), digest, row.query.tables if same else None)
