"""The beginnings of two results that differ."""

from dataclasses import dataclass

from text2sql_lightning.sql.execution import Row


@dataclass(frozen=True)
class Preview:
    """The beginning of a result.

    Attributes:
        columns: Names of its columns.
        rows: Its first rows.
        total: How many rows it has.
        error: Class of the error, where there is no result.
    """

    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    total: int = 0
    error: str | None = None


@dataclass(frozen=True)
class Difference:
    """Both results of an example, and in what they differ.

    Attributes:
        kind: The prediction's error class, or `wrong_rows`, or `wrong_order` where the rows are the same.
        gold: What gold returns.
        predicted: What the prediction returns.
    """

    kind: str
    gold: Preview
    predicted: Preview
