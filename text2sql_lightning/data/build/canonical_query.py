"""One spelling for the many ways to write a query: for finding the same query again, not for running it.

What a reader would call the same query gets the same text: other order of conditions, of selected columns and of
joined tables; joins in FROM or in WHERE; brackets; sides of a comparison; `BETWEEN` or two comparisons. It is loose on
purpose. Which table a column is qualified with, the kind of a join and the nesting of AND and OR do not count, since
a query on the same tables, of the same columns and conditions is near enough to a test's to be kept out of training.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from text2sql_lightning.sql.tokens import keywords

_Item: TypeAlias = "str | list[_Item]"

_DEEPEST: Final = 50
_SET_WORDS: Final = keywords("except intersect union")
_CLAUSES: Final = keywords("select from where group having order limit")
_JOINS: Final = keywords("join left right full cross natural")
_OPENS_QUERY: Final = keywords("select with values")
_NOT_CALLS: Final = keywords(
    """all and as between by case distinct else end except exists from glob group having in intersect is join like limit
    not on or order over select then union using values when where with"""
)
_MIRRORED: Final = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_NEGATED: Final = {"=": "<>", "<>": "=", "<": ">=", ">": "<=", "<=": ">", ">=": "<"}


def canonical_form(words: Sequence[str]) -> str:
    """Give a query's one spelling.

    Args:
        words: The query's tokens in lower case, literals as `?`, without aliases, AS, ASC, INNER and `;`. They need
            not be a valid query.

    Returns:
        The spelling, words separated by spaces.
    """
    items = _nest(_without_qualifiers(words))
    return " ".join(words) if items is None else _query(items)


def _without_qualifiers(words: Sequence[str]) -> list[str]:
    """Write `t . a` as `a`."""
    return [word for at, word in enumerate(words) if word != "." and (at + 1 == len(words) or words[at + 1] != ".")]


def _nest(words: Sequence[str]) -> list[_Item] | None:
    """Make a list of each bracket; None where they are too deep for a recursion."""
    stack: list[list[_Item]] = [[]]
    for word in words:
        if word == "(":
            stack.append([])
            stack[-2].append(stack[-1])
        elif word != ")":
            stack[-1].append(word)
        elif len(stack) > 1:
            stack.pop()
        if len(stack) > _DEEPEST:
            return None
    return stack[0]


def _query(items: Sequence[_Item]) -> str:
    parts: list[list[_Item]] = [[]]
    operators: list[str] = []
    for item in items:
        if isinstance(item, str) and item in _SET_WORDS:
            operators.append(item)
            parts.append([])
        else:
            parts[-1].append(item)
    selects = [_select(_unwrapped(part)) for part in parts]
    if "except" not in operators:
        selects.sort()
    return " ".join(word for pair in zip(selects, [*sorted(operators), ""], strict=True) for word in pair if word)


def _unwrapped(items: list[_Item]) -> list[_Item]:
    while len(items) == 1 and isinstance(items[0], list):
        items = items[0]
    return items


def _select(items: Sequence[_Item]) -> str:
    clauses: dict[str, list[_Item]] = {}
    current = clauses.setdefault("", [])
    for item in items:
        if isinstance(item, str) and item in _CLAUSES:
            current = clauses.setdefault(item, [])
        elif item != "by":
            current.append(item)
    tables, conditions = _from(clauses.pop("from", []))
    conditions += _conditions(clauses.pop("where", []))
    parts = [("", [_text(clauses.pop("", []))]), ("select", sorted(_selected(clauses.pop("select", []))))]
    parts += [("from", sorted(tables)), ("where", sorted(conditions))]
    parts += [("group", sorted(_listed(clauses.pop("group", []))))]
    parts += [("having", sorted(_conditions(clauses.pop("having", []))))]
    parts += [(name, list(_listed(content))) for name, content in sorted(clauses.items(), reverse=True)]
    return " ".join(f"{name} {' , '.join(texts)}".strip() for name, texts in parts if texts != [""] and texts)


def _selected(items: Sequence[_Item]) -> Iterator[str]:
    """Yield what a SELECT list holds; DISTINCT and ALL are no part of its first column."""
    if items and items[0] in ("distinct", "all"):
        if items[0] == "distinct":
            yield "distinct"
        items = items[1:]
    yield from _listed(items)


def _listed(items: Sequence[_Item]) -> Iterator[str]:
    start = 0
    for at, item in enumerate([*items, ","]):
        if item == ",":
            yield _text(items[start:at])
            start = at + 1


def _from(items: Sequence[_Item]) -> tuple[list[str], list[str]]:
    """Return the tables of a FROM clause, and the conditions that join them."""
    tables: list[str] = []
    conditions: list[str] = []
    at = 0
    while at < len(items):
        item = items[at]
        end = at + 1
        if item == "on":
            while end < len(items) and not (isinstance(items[end], str) and items[end] in {*_JOINS, ","}):
                end += 1
            conditions += _conditions(items[at + 1 : end])
        elif item == "using":
            conditions += [f"{name} = {name}" for name in _listed(_group(items, end))]
            end += 1
        elif isinstance(item, list) and not _is_query(item):
            more_tables, more_conditions = _from(item)
            tables += more_tables
            conditions += more_conditions
        elif isinstance(item, list) or item not in {*_JOINS, ","}:
            tables.append(_text([item]))
        at = end
    return tables, conditions


def _group(items: Sequence[_Item], at: int) -> list[_Item]:
    item = items[at] if at < len(items) else []
    return item if isinstance(item, list) else [item]


def _conditions(items: Sequence[_Item]) -> list[str]:
    """Return the comparisons of a condition, and an `or` for each OR."""
    found: list[str] = []
    atom: list[_Item] = []
    for at, item in enumerate([*items, "and"]):
        following = items[at + 1] if at + 1 < len(items) else "and"
        if item in ("and", "or") and not (item == "and" and "between" in atom and "and" not in atom):
            found += _comparisons(atom)
            found += ["or"] * (item == "or")
            atom = []
        elif isinstance(item, list) and not _is_query(item) and not atom and following in ("and", "or"):
            found += _conditions(item)
        else:
            atom.append(item)
    return found


def _comparisons(atom: Sequence[_Item]) -> list[str]:
    if not atom:
        return []
    negated = atom[0] == "not" and len(atom) > 1
    atom = atom[1:] if negated else atom
    between = [at for at, item in enumerate(atom) if item == "between"]
    if between and "and" in atom[between[0] :] and "not" not in atom and not negated:
        return _between(atom, between[0])
    for at, item in enumerate(atom):
        if isinstance(item, str) and item in _MIRRORED:
            operator = _NEGATED[item] if negated else item
            return [_comparison(_text(atom[:at]), operator, _text(atom[at + 1 :]))]
    return [f"not {_text(atom)}" if negated else _text(atom)]


def _between(atom: Sequence[_Item], at: int) -> list[str]:
    end = atom.index("and", at)
    value = _text(atom[:at])
    return [
        _comparison(value, ">=", _text(atom[at + 1 : end])),
        _comparison(value, "<=", _text(atom[end + 1 :])),
    ]


def _comparison(left: str, operator: str, right: str) -> str:
    """Put the literal last, else the sides in the order of the alphabet."""
    if (left == "?", left) > (right == "?", right):
        left, operator, right = right, _MIRRORED[operator], left
    return f"{left} {operator} {right}"


def _text(items: Sequence[_Item]) -> str:
    """Write an expression; brackets stay where they make a call, a list or a query."""
    words: list[str] = []
    for item in items:
        if isinstance(item, str):
            words.append(item)
        elif _is_query(item):
            words.append(f"( {_query(item)} )")
        elif words and words[-1] == "in":
            words[-1:] = _list_of_values(item)
        elif words and words[-1] not in _NOT_CALLS and words[-1][:1].isalpha():
            inner = _text(item)
            words.append("( * )" if words[-1] == "count" and inner == "?" else f"( {inner} )")
        else:
            words.append(_text(item))
    return " ".join(words)


def _list_of_values(items: Sequence[_Item]) -> list[str]:
    values = [item for item in items if item != ","]
    if values != ["?"] * len(values):
        return ["in", f"( {_text(items)} )"]
    return ["=", "?"] if len(values) == 1 else ["in", "?"]


def _is_query(items: Sequence[_Item]) -> bool:
    first = items[0] if items else ""
    return first in _OPENS_QUERY if isinstance(first, str) else _is_query(first)
