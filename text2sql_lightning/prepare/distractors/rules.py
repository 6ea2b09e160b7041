"""Which columns may be added to a row: none that gold could mean, and none that a reader could take for the answer.

Two things decide: rules about names, and the proof that gold means the same, for which SQLite compiles it.
"""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from typing import Final, NamedTuple

from text2sql_lightning.prepare.distractors.names import Name, compact, meaning, read_name, text_meanings
from text2sql_lightning.sql.databases.sqlite import restrict_to_definitions
from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.text.sql_tokens import Token

_ALLOWED: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_BEFORE_STAR: Final = frozenset(["SELECT", "DISTINCT", "ALL", ",", "."])
_SHORTEST: Final = 3
_BARE: Final = frozenset({meaning("id"), meaning("name")})
_ROW_IDS: Final = frozenset({"rowid", "oid", "_rowid_"})


class Reading(NamedTuple):
    """What a query reads.

    Attributes:
        columns: (table, column) in lower case for every name that SQLite resolved, in its order, repeated ones
            included. `COUNT(*)` reads a table with an empty column.
        result: Names of the result's columns; empty where the query was not compiled.
    """

    columns: tuple[tuple[str, str], ...]
    result: tuple[str, ...] = ()


def read_columns(context: str, sql: str) -> Reading | None:
    """Return what a query reads on a schema (CREATE TABLE text), None where either does not run.

    SQLite resolves names when it compiles a query, before any row is read, and asks an authorizer for each.
    """
    found: list[tuple[str, str]] = []

    def note(action: int, table: str | None, column: str | None, *_: str | None) -> int:
        if action == sqlite3.SQLITE_READ:
            found.append(((table or "").lower(), (column or "").lower()))
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        try:
            restrict_to_definitions(connection)
            connection.executescript(context)
            connection.set_authorizer(note)
            cursor = connection.execute(sql)
        except (sqlite3.Error, ValueError):
            return None
        return Reading(tuple(found), tuple(entry[0] for entry in cursor.description or ()))


def said_columns(schema: Schema, tokens: Sequence[Token]) -> Reading | None:
    """Return what a query reads by its text alone, each column once, which is ten times faster.

    None where the text does not tell: with several tables, or a `*`.
    """
    if len(schema.tables) > 1 or has_star(tokens):
        return None
    said = {token.value.lower() for token in tokens if token.kind in ("word", "quoted", "name")}
    table = schema.tables[0]
    names = [column.name.lower() for column in table.columns]
    return Reading(tuple((table.name.lower(), name) for name in names if name in said))


def means_the_same(before: Reading, after: Reading | None, added: Collection[tuple[str, str]]) -> bool:
    """Return whether a query that runs on a schema means the same on a wider one.

    Where a name does not resolve to an added column, it resolves to what it was before: an added column of that name
    would have been found instead, or have made it ambiguous, or stands in a table farther out, where it is not looked
    for. `*` is the exception; where there is one, both readings are compared.

    Args:
        before: What it reads on the schema.
        after: What it reads on the wider schema, None where it does not compile.
        added: (table, column) that only the wider schema has.
    """
    if after is None or any(column in added for column in after.columns):
        return False
    return not before.result or before == after


def has_star(tokens: Sequence[Token]) -> bool:
    """Return whether a query has a `*` that stands for columns, not for rows or a product."""
    stars = [at for at, token in enumerate(tokens) if at and token.text == "*"]
    return any(tokens[at - 1].text.upper() in _BEFORE_STAR for at in stars)


class NameRules:
    """Judges names for one row; a name that is accepted counts as taken from then on.

    The rules, in the order in which they are tried:

    1. It needs no quotes, and is not much longer than names usually are.
    2. It is no token of the gold query, quoted text and aliases included: SQLite reads "rock" as a column where there
       is one of that name. Nor is it a quoted text but for case, underscores and a plural.
    3. No table of the schema has a column that is written the same but for case, underscores and a plural, and no
       column has words of the same meaning; of added ones what is in brackets does not count (`viewers__millions_`,
       `viewers__m_`).
    4. Not all of its words stand in the question.
    5. It is not close to a column that gold needs: the same words, abbreviated or not; or the same head noun (`date`,
       `release_date`), unless both have a word of their own and the question says the needed one's (`home_team`,
       `away_team`).
    6. Where the question does not name a needed column ("Where was it played?"), it does not hold the same kind of
       thing: no `stadium` beside `location`.

    Words are compared by stems, and words of one meaning (`venue`, `location`) are one word. Of 42,562 names that were
    judged for 8,998 real rows the rules refuse 40 %; those that one rule alone refuses: 1.6 % (1), two names (2, which
    spares the proof), 2.2 % (3), 3.2 % (4), 2.7 % (5), 2.5 % (6).

    Attributes:
        question: Stems of the question's words.
    """

    def __init__(self, question: str, tokens: Iterable[Token], needed: Iterable[str], present: Iterable[str]) -> None:
        """Prepare to judge names.

        Args:
            question: The row's question.
            tokens: Its gold query.
            needed: Names of the columns that gold reads.
            present: Names of all columns and tables of its schema.
        """
        self.question = text_meanings(question)
        tokens = list(tokens)
        self._tokens = {token.value.lower() for token in tokens} | _ROW_IDS
        self._texts = {compact(token.value) for token in tokens if token.kind in ("string", "quoted")}
        self._needed = [read_name(name) for name in needed]
        present = list(present)
        self._taken = {compact(name) for name in present}
        self._added = {frozenset(read_name(name).words) for name in present}
        self._implied = {name.kind for name in self._needed if name.kind and name.head not in self.question}

    def accept(self, name: str) -> bool:
        """Return whether a column of this name may be added, and take the name if so."""
        read = read_name(name)
        meanings = {read.short, read.core, frozenset(read.words)}
        if not self.allows(name) or not meanings.isdisjoint(self._added):
            return False
        self._added |= meanings
        self.take(name)
        return True

    def take(self, name: str) -> None:
        """Note that a name is in the schema now."""
        self._taken.add(read_name(name).compact)

    def allows(self, name: str) -> bool:
        """Return whether a column of this name may be added."""
        read = read_name(name)
        if not self._is_free(name, read) or (read.kind and read.kind in self._implied):
            return False
        return not any(is_close(read, needed, self.question) for needed in self._needed)

    def allows_table(self, name: str) -> bool:
        """Return whether a table of this name may be added."""
        return self._is_free(name, read_name(name))

    def is_key(self, name: str) -> bool:
        """Return whether the schema has this name, and it is an id's: added tables refer to others by such."""
        read = read_name(name)
        return read.is_usual and name.lower().endswith("id") and read.compact in self._taken

    def _is_free(self, name: str, read: Name) -> bool:
        """Apply rules 1 to 4."""
        said = name.lower() in self._tokens or read.compact in self._texts
        return read.is_usual and not said and read.compact not in self._taken and not read.core <= self.question


def is_close(one: Name, needed: Name, question: Collection[str]) -> bool:
    """Return whether a column could be taken for one that is needed (rule 5 of `NameRules`)."""
    fewer, more = sorted((frozenset(one.words), frozenset(needed.words)), key=len)
    if fewer <= more and (fewer == more or fewer <= _BARE):
        return True
    if one.core == needed.core:
        return not (fewer ^ more) >= _BARE  # customer_id is not customer_name
    if one.head != needed.head:
        return _abbreviates(one.core, needed.core)
    if one.core <= needed.core or needed.core <= one.core:
        return True
    if _abbreviates(one.core, needed.core):
        return True
    return not any(word in question for word in needed.core - one.core)


def _abbreviates(one: frozenset[str], other: frozenset[str]) -> bool:
    """Return whether two names differ in words alone of which one begins with the other: `intro`, `introduction`."""
    if len(one) != len(other):
        return False
    left, right = sorted(one - other), sorted(other - one)
    pairs = zip(left, right, strict=True)
    return all(min(len(a), len(b)) >= _SHORTEST and (a.startswith(b) or b.startswith(a)) for a, b in pairs)
