"""Damaged inputs from good ones: seeded, so that an input can be made again from its seed."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

MAX_BYTES: Final = 50_000
"""The longest input, some five times the longest schema of a benchmark."""

PIECES: Final[tuple[bytes, ...]] = (
    b"\x00",
    b"\x1b",
    b"\x7f",
    b"\r",
    b"\n",
    b"\r\n",
    b"\t",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    "\u2028\u00a0\u3000".encode(),
    "\U0001f600éİ".encode(),
    b"\\ud800",
    b"\\u0000",
    b"\\",
    b"\\\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[]",
    b"{}",
    b":",
    b",",
    b"(",
    b")",
    b"()",
    b";",
    b".",
    b"'",
    b'"',
    b"`",
    b"''",
    b'""',
    b"``",
    b"```",
    b"--",
    b"/*",
    b"*/",
    b"#",
    b"###",
    b"\n\n",
    b"|",
    b" ",
    b"%s",
    b"{0}",
    b"null",
    b"true",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-1",
    b"0x",
    b"1.",
    b"1e",
    b"9" * 30,
    b"9" * 4400,
    b"0.1e-9999",
    b"SELECT ",
    b"select",
    b" FROM ",
    b" AS ",
    b"WITH x AS (",
    b" UNION ",
    b"CREATE TABLE ",
    b"CREATE",
    b"TABLE",
    b"IF NOT EXISTS ",
    b"PRIMARY KEY",
    b"PRIMARY KEY (",
    b"FOREIGN KEY (",
    b" REFERENCES t",
    b"CONSTRAINT c ",
    b"UNIQUE ",
    b"CHECK (",
    b"DEFAULT ",
    b"COMMENT 'x'",
    b"KEY k (",
    b"AUTOINCREMENT",
    b"GENERATED ALWAYS AS (",
    b"INSERT INTO t VALUES (1);",
    b"DROP TABLE t;",
    b"ATTACH 'x' AS y;",
    b"PRAGMA x;",
    b"WITHOUT ROWID",
    b"sqlite_master",
    b"a" * 300,
    b'"id": ',
    b'"output": null',
    b'"meta": {}',
    b'"input": "### Schema:\\n',
    b"\\n\\n### Question:\\n",
)


def inputs(corpus: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Yield as many damaged inputs; one in 400 is made of a piece repeated up to `MAX_BYTES`."""
    for number in range(count):
        draw = random.Random(f"{seed} {number}")
        yield repeated(corpus, draw) if number % 400 == 399 else mutate(draw.choice(corpus), corpus, draw)


def mutate(data: bytes, corpus: Sequence[bytes], draw: random.Random) -> bytes:
    """Damage an input in one to six places."""
    for _ in range(draw.randint(1, 6)):
        data = draw.choice(_MUTATIONS)(data, corpus, draw)[:MAX_BYTES]
    return data


def repeated(corpus: Sequence[bytes], draw: random.Random) -> bytes:
    """Repeat a short piece, within a good input or alone: what takes more than linear time shows."""
    unit = b"".join(draw.choice(PIECES)[:20] for _ in range(draw.randint(1, 4)))
    if draw.random() < 0.3:
        unit = _slice(draw.choice(corpus), draw)[:200] or unit
    if draw.random() < 0.3:  # each time another name
        count = draw.choice((1_000, 5_000, MAX_BYTES)) // (len(unit) + 6)
        return b"".join(unit + b" c%d " % index for index in range(count))[:MAX_BYTES]
    data = draw.choice(corpus) if draw.random() < 0.7 else b""
    at = draw.randint(0, len(data))
    return (data[:at] + unit * (draw.choice((100, 1_000, 5_000, 5_000, MAX_BYTES)) // len(unit)) + data[at:])[
        :MAX_BYTES
    ]


def _slice(data: bytes, draw: random.Random) -> bytes:
    one, two = sorted((draw.randint(0, len(data)), draw.randint(0, len(data))))
    return data[one:two]


def _change_byte(data: bytes, corpus: Sequence[bytes], draw: random.Random) -> bytes:
    at = draw.randint(0, len(data))
    return data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :]


def _insert_piece(data: bytes, corpus: Sequence[bytes], draw: random.Random) -> bytes:
    at = draw.randint(0, len(data))
    return data[:at] + draw.choice(PIECES) + data[at:]


def _insert_noise(data: bytes, corpus: Sequence[bytes], draw: random.Random) -> bytes:
    at = draw.randint(0, len(data))
    return data[:at] + draw.randbytes(draw.randint(1, 12)) + data[at:]


def _delete(data: bytes, corpus: Sequence[bytes], draw: random.Random) -> bytes:
    at = draw.randint(0, len(data))
    return data[:at] + data[at + draw.randint(1, 30) :]


def _cut_off(data: bytes, corpus: Sequence[bytes], draw: random.Random) -> bytes:
    at = draw.randint(0, len(data))
    return data[:at] if draw.random() < 0.7 else data[at:]


def _double(data: bytes, corpus: Sequence[bytes], draw: random.Random) -> bytes:
    part, at = _slice(data, draw), draw.randint(0, len(data))
    return data[:at] + part * draw.choice((1, 1, 1, 2, 5)) + data[at:]


def _splice(data: bytes, corpus: Sequence[bytes], draw: random.Random) -> bytes:
    other, at = draw.choice(corpus), draw.randint(0, len(data))
    return data[:at] + _slice(other, draw) + data[at:]


def _nest(data: bytes, corpus: Sequence[bytes], draw: random.Random) -> bytes:
    opening, closing = draw.choice(((b"[", b"]"), (b'{"a": ', b"}"), (b"(", b")"), (b"'", b"'"), (b"/*", b"*/")))
    depth, (one, two) = draw.choice((1, 1, 3, 3, 10, 50, 50, 2_000)), sorted(draw.randint(0, len(data)) for _ in "ab")
    return data[:one] + opening * depth + data[one:two] + closing * depth + data[two:]


def _swap_case(data: bytes, corpus: Sequence[bytes], draw: random.Random) -> bytes:
    part, at = _slice(data, draw), draw.randint(0, len(data))
    return data[:at] + part.swapcase() + data[at + len(part) :]


_MUTATIONS: Final[tuple[Callable[[bytes, Sequence[bytes], random.Random], bytes], ...]] = (
    _change_byte,
    _insert_piece,
    _insert_piece,
    _insert_noise,
    _delete,
    _cut_off,
    _double,
    _splice,
    _nest,
    _swap_case,
)
