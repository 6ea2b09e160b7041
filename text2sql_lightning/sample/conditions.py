"""Conditions on one column: the SQL, and the ways in which English says the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from text2sql_lightning.sample.database import FilledDatabase, Value
from text2sql_lightning.sample.domain import Column, Table
from text2sql_lightning.sample.english import article, listing


@dataclass(frozen=True)
class Condition:
    """A condition and its wordings; each wording is complete by itself.

    Attributes:
        sql: The condition with `{}` where the column's name stands.
        column: The column.
        whose: Wordings behind "whose" ("price is above 20").
        having: Wordings behind "with" ("a price above 20").
        behind: Wordings that follow the noun directly ("priced above 20").
        before: Wordings that precede the noun ("Italian").
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


def quote(value: Value) -> str:
    """A value as an SQL literal."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


def noun_phrase(rng: Random, noun: str, conditions: Sequence[Condition] = (), joiner: str = "and") -> str:
    """The noun with at most two conditions around it, in one of the ways that fit together."""
    if not conditions:
        return noun
    if len(conditions) == 1:
        return rng.choice(_single(noun, conditions[0]))
    return rng.choice(_pairs(noun, conditions[0], conditions[1], joiner))


def _single(noun: str, condition: Condition) -> list[str]:
    natural = [f"{word} {noun}" for word in condition.before] + [f"{noun} {word}" for word in condition.behind]
    plain = [f"{noun} whose {word}" for word in condition.whose] + [f"{noun} with {word}" for word in condition.having]
    # A wording made for the column is better English than the general ones, so it gets about half of the rows.
    return plain + natural * max(1, len(plain) // max(1, len(natural)))


def _pairs(noun: str, one: Condition, two: Condition, joiner: str) -> list[str]:
    pairs = [f"{noun} whose {a} {joiner} whose {b}" for a in one.whose for b in two.whose]
    pairs += [f"{noun} with {a} {joiner} {b}" for a in one.having for b in two.having]
    if joiner == "and":
        pairs += [f"{a} {noun} {b}" for a in one.before for b in _tails(two)]
        pairs += [f"{b} {noun} {a}" for b in two.before for a in _tails(one)]
        pairs += [f"{a} {b} {noun}" for a in one.before for b in two.before]
        pairs += [f"{noun} {a} {b}" for a in one.behind for b in _tails(two)[len(two.behind) :]]
        pairs += [f"{noun} {a} and {b}" for a in one.behind for b in two.behind]
    else:
        pairs += [f"{noun} that are {a} or {b}" for a in one.before for b in two.before]
        pairs += [f"{noun} {a} or {b}" for a in one.behind for b in two.behind]
    return pairs


def _tails(condition: Condition) -> list[str]:
    plain = [f"whose {word}" for word in condition.whose] + [f"with {word}" for word in condition.having]
    return [*condition.behind, *plain]


def condition_for(rng: Random, database: FilledDatabase, table: Table, column: Column) -> Condition:
    """A condition on this column with a literal that occurs in its data."""
    values = [value for value in database.values[table.name, column.name] if value is not None]
    makers: dict[str, Callable[..., Condition]] = {
        "text": _text,
        "label": equals,
        "number": _number,
        "year": _year,
        "date": _date,
        "flag": _flag,
    }
    return makers[column.kind](rng, column, values)


def equals(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The column is one value of its data, in its plainest wordings."""
    value = rng.choice(values)
    phrase = column.phrase
    return Condition(
        f"{{}} = {quote(value)}",
        column,
        whose=(f"{phrase} is {value}",),
        having=(f"the {phrase} {value}",),
        behind=(column.says.format(value),) if column.says else (),
        before=(str(value),) if column.adjective else (),
    )


def differs(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The column is not one value of its data."""
    value = rng.choice(values)
    return Condition(
        f"{{}} != {quote(value)}",
        column,
        whose=(f"{column.phrase} is not {value}", f"{column.phrase} is different from {value}"),
        having=(f"{article(column.phrase)} other than {value}",),
        behind=(f"not {column.says.format(value)}",) if column.says else (),
    )


def one_of(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The column is one of two or three values."""
    pool = sorted({str(value) for value in values})
    chosen = rng.sample(pool, min(len(pool), rng.choice((2, 2, 3))))
    either = listing(chosen, "or")
    return Condition(
        f"{{}} IN ({', '.join(map(quote, chosen))})",
        column,
        whose=(
            f"{column.phrase} is {either}",
            f"{column.phrase} is either {either}",
            f"{column.phrase} is one of {listing(chosen)}",
        ),
        having=(f"the {column.phrase} {either}",),
        behind=(column.says.format(either),) if column.says else (),
    )


def like(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The column's text starts with, ends with or contains something."""
    words = str(rng.choice(values)).split()
    phrase, a_phrase = column.phrase, article(column.phrase)
    way = rng.choice(("start", "letter", "end", "contain")) if len(words) > 1 else rng.choice(("letter", "letters"))
    if way in ("start", "letter", "letters"):
        part = {"start": words[0], "letter": words[0][0], "letters": words[0][:2]}[way]
        shown = (
            f"the letter {part}"
            if way == "letter" and rng.random() < 0.3
            else rng.choice((f"'{part}'", f'"{part}"', part))
        )
        return Condition(
            f"{{}} LIKE {quote(part + '%')}",
            column,
            whose=(f"{phrase} starts with {shown}", f"{phrase} begins with {shown}"),
            having=(f"{a_phrase} starting with {shown}", f"{a_phrase} that begins with {shown}"),
        )
    part = words[-1] if way == "end" else rng.choice(words)
    shown = rng.choice((f"'{part}'", f'"{part}"', f"the word {part}", part))
    if way == "end":
        return Condition(
            f"{{}} LIKE {quote('%' + part)}",
            column,
            whose=(f"{phrase} ends with {shown}", f"{phrase} ends in {shown}"),
            having=(f"{a_phrase} ending with {shown}", f"{a_phrase} that ends in {shown}"),
        )
    return Condition(
        f"{{}} LIKE {quote('%' + part + '%')}",
        column,
        whose=(f"{phrase} contains {shown}", f"{phrase} includes {shown}"),
        having=(f"{a_phrase} containing {shown}", f"{shown} in the {phrase}"),
    )


def missing(rng: Random, column: Column) -> Condition:
    """The column has no value, or (half of the time) has one."""
    phrase, a_phrase = column.phrase, article(column.phrase)
    if rng.random() < 0.5:
        return Condition(
            "{} IS NULL",
            column,
            whose=(f"{phrase} is missing", f"{phrase} is unknown", f"{phrase} is not recorded", f"{phrase} is empty"),
            having=(f"no {phrase}", f"no recorded {phrase}", f"a missing {phrase}"),
            behind=(f"without {a_phrase}",),
        )
    return Condition(
        "{} IS NOT NULL",
        column,
        whose=(f"{phrase} is known", f"{phrase} is recorded", f"{phrase} is not missing", f"{phrase} is filled in"),
        having=(f"a known {phrase}", f"a recorded {phrase}", f"{a_phrase} on record"),
    )


def between(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The column lies between two values of its range, both included."""
    low, high = _span(rng, column, values)
    phrase = column.phrase
    span = f"between {low} and {_with_unit(rng, column, high)}"
    sql = f"{{}} BETWEEN {quote(low)} AND {quote(high)}"
    if column.counted:
        return Condition(
            sql, column, whose=(f"{phrase} is {span}",), having=(f"between {low} and {high} {column.counted}",)
        )
    behind = (f"{column.verb} {span}",) if column.verb else ()
    having = (f"{_a(column)} {span}",)
    if column.kind == "number":
        having += (f"{_a(column)} from {low} to {_with_unit(rng, column, high)}",)
    return Condition(sql, column, whose=(f"{phrase} is {span}", f"{phrase} lies {span}"), having=having, behind=behind)


def _span(rng: Random, column: Column, values: Sequence[Value]) -> tuple[Value, Value]:
    ordered = sorted(values, key=lambda value: str(value) if column.kind == "date" else float(str(value)))
    low = ordered[rng.randrange(len(ordered) // 8, len(ordered) // 2)]
    high = ordered[rng.randrange(len(ordered) // 2, len(ordered) - len(ordered) // 8)]
    return (low, high) if column.kind != "number" else (_rounded(column, low), _rounded(column, high))


def _rounded(column: Column, value: Value) -> Value:
    """The value at a step that people would name: 1,237 becomes 1,200 where the range is wide."""
    width = float(column.high) - float(column.low)
    number = float(str(value))
    for step in (10000, 1000, 500, 100, 50, 10, 5, 1):
        if width / step >= 12:
            return int(round(number / step) * step)
    if column.digits:
        return round(number, 1)
    return int(number)


def _with_unit(rng: Random, column: Column, value: Value) -> str:
    return f"{value} {column.unit}" if column.unit and rng.random() < 0.5 else str(value)


def _a(column: Column) -> str:
    return column.phrase if column.mass else article(column.phrase)


def _text(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    return equals(rng, column, values)


def _flag(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    value = rng.choice(values)
    return Condition(f"{{}} = {value}", column, before=(column.yes if value else column.no,))


def _number(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    ordered = sorted(float(str(value)) for value in values)
    value = _rounded(column, ordered[rng.randrange(len(ordered) // 8, len(ordered) - len(ordered) // 8)])
    way = rng.choice((">", ">", ">", "<", "<", "<", ">=", "<=", "="))
    if way == "=" and (column.digits or float(column.high) - float(column.low) > 60):
        way = rng.choice(("<", ">"))
    return compared(rng, column, way, value)


def compared(rng: Random, column: Column, way: str, value: Value) -> Condition:
    """The column compared with a number."""
    shown = _with_unit(rng, column, value)
    sql = f"{{}} {way} {quote(value)}"
    if column.counted:
        return _counted(column, sql, way, value)
    phrase, a_phrase = column.phrase, _a(column)
    whose, having = _COMPARISONS[way]
    own = {">": column.over, "<": column.under}.get(way, "")
    return Condition(
        sql,
        column,
        whose=tuple(f"{phrase} {words.format(shown)}" for words in whose),
        having=tuple(f"{a_phrase} {words.format(shown)}" for words in having),
        behind=(own.format(shown),) if own else (),
    )


_COMPARISONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    ">": (
        ("is greater than {}", "is above {}", "is more than {}", "is over {}", "exceeds {}", "is higher than {}"),
        ("above {}", "of more than {}", "greater than {}", "over {}", "higher than {}"),
    ),
    "<": (
        ("is less than {}", "is below {}", "is under {}", "is lower than {}", "is smaller than {}"),
        ("below {}", "of less than {}", "under {}", "lower than {}"),
    ),
    ">=": (("is at least {}", "is {} or more"), ("of at least {}", "of {} or more")),
    "<=": (("is at most {}", "is {} or less"), ("of at most {}", "of {} or less")),
    "=": (("is {}", "is exactly {}", "equals {}"), ("of {}", "of exactly {}")),
}

_COUNTS: dict[str, tuple[str, ...]] = {
    ">": ("more than {} {}", "over {} {}"),
    "<": ("fewer than {} {}", "under {} {}"),
    ">=": ("at least {} {}", "{} or more {}"),
    "<=": ("at most {} {}", "no more than {} {}"),
    "=": ("exactly {} {}",),
}


def _counted(column: Column, sql: str, way: str, value: Value) -> Condition:
    whose = _COMPARISONS[way][0]
    return Condition(
        sql,
        column,
        whose=tuple(f"{column.phrase} {words.format(value)}" for words in whose[:2]),
        having=tuple(words.format(value, column.counted) for words in _COUNTS[way]),
    )


_TIMES: dict[str, tuple[str, str]] = {
    ">": ("after {}", "is after {}"),
    "<": ("before {}", "is before {}"),
    ">=": ("in {} or later", "is {} or later"),
    "<=": ("in {} or earlier", "is {} or earlier"),
    "=": ("in {}", "is {}"),
}


def _year(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    ordered = sorted(int(str(value)) for value in values)
    value = ordered[rng.randrange(len(ordered) // 8, len(ordered) - len(ordered) // 8)]
    return _timed(column, rng.choice((">", ">", "<", "<", ">=", "<=", "=")), value)


def _date(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    ordered = sorted(str(value) for value in values)
    value = ordered[rng.randrange(len(ordered) // 8, len(ordered) - len(ordered) // 8)]
    return _timed(column, rng.choice((">", "<")), value)


def in_year(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The day lies in one year."""
    value = str(rng.choice(values))[:4]
    phrase = column.phrase
    return Condition(
        f"strftime('%Y', {{}}) = '{value}'",
        column,
        whose=(f"{phrase} is in {value}", f"{phrase} falls in {value}", f"{phrase} is in the year {value}"),
        having=(f"{article(phrase)} in {value}",),
        behind=(f"{column.verb} in {value}", f"{column.verb} in the year {value}") if column.verb else (),
    )


def _timed(column: Column, way: str, value: Value) -> Condition:
    tail, whose = (words.format(value) for words in _TIMES[way])
    return Condition(
        f"{{}} {way} {quote(value)}",
        column,
        whose=(f"{column.phrase} {whose}",),
        having=(f"{article(column.phrase)} {tail if way in '<>' else 'of ' + tail.removeprefix('in ')}",),
        behind=(f"{column.verb} {tail}",) if column.verb else (),
    )
