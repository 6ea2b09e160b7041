"""A condition on one column: its SQL, the ways in which English says the same, and how it fits around a noun."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from text2sql_lightning.sample.database import Value
from text2sql_lightning.sample.domain import Column


@dataclass(frozen=True)
class Condition:
    """A condition and its wordings; each wording is complete by itself.

    Attributes:
        sql: The condition with `{}` where the column's name stands.
        column: The column.
        whose: Wordings behind "whose" ("price is above 20").
        having: Wordings behind "with" ("a price above 20").
        behind: Wordings that follow the noun directly ("in the city Rome").
        before: Wordings that precede the noun ("sold").
    """

    sql: str
    column: Column
    whose: tuple[str, ...] = ()
    having: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    def on(self, alias: str = "") -> str:
        """The SQL, for a table alias where one is given."""
        return self.sql.replace("{}", f"{alias}.{self.column.name}" if alias else self.column.name)

    def tails(self) -> list[str]:
        """The general wordings behind a noun: with "whose" and with "with"."""
        return [f"whose {word}" for word in self.whose] + [f"with {word}" for word in self.having]


def quote(value: Value) -> str:
    """A value as an SQL literal."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


def noun_phrase(rng: Random, noun: str, conditions: Sequence[Condition] = (), joiner: str = "and") -> str:
    """The noun with at most two conditions around it, in one of the ways that fit together.

    Args:
        rng: Chooses the wording.
        noun: The noun, in the number that is wanted.
        conditions: At most two conditions.
        joiner: "and" or "or".
    """
    if not conditions:
        return noun
    if len(conditions) == 1:
        return rng.choice(_single(noun, conditions[0]))
    pair = _either if joiner == "or" else _both
    return rng.choice(pair(noun, *conditions))


def _single(noun: str, condition: Condition) -> list[str]:
    natural = [f"{word} {noun}" for word in condition.before] + [f"{noun} {word}" for word in condition.behind]
    plain = [f"{noun} {tail}" for tail in condition.tails()]
    return plain + natural


def _both(noun: str, one: Condition, two: Condition) -> list[str]:
    pairs = [f"{noun} whose {a} and whose {b}" for a in one.whose for b in two.whose]
    pairs += [f"{noun} with {a} and {b}" for a in one.having for b in two.having]
    pairs += [f"{noun} {a} and {b}" for a in one.behind for b in two.behind]
    pairs += [f"{noun} {a} {b}" for a in one.behind for b in two.tails()]
    pairs += [f"{a} {noun} {b}" for a in one.before for b in (*two.behind, *two.tails())]
    pairs += [f"{b} {noun} {a}" for b in two.before for a in (*one.behind, *one.tails())]
    # A flag that is not set has wordings behind the noun only, and those must touch it.
    return pairs or [f"{noun} {b} {a}" for a in one.tails() for b in two.behind]


def _either(noun: str, one: Condition, two: Condition) -> list[str]:
    pairs = [f"{noun} whose {a} or whose {b}" for a in one.whose for b in two.whose]
    pairs += [f"{noun} with {a} or {b}" for a in one.having for b in two.having]
    pairs += [f"{noun} {a} or {b}" for a in one.behind for b in two.behind]
    return pairs
