"""The work of the GPU benchmark: random token ids laid out like text-to-SQL records, and what a step on them costs."""

import random
from array import array
from dataclasses import dataclass
from typing import Final

from text2sql_lightning.data.encoding import EncodedExample
from text2sql_lightning.data.packing import pack_shared_prefixes

INSTRUCTION: Final = 30
"""Tokens that every prompt begins with."""
COMPLETION: Final = 40
"""Tokens of SQL, EOS included."""
QUESTION: Final = (15, 45)
"""Tokens of the question and what stands around it: least and most."""


@dataclass(frozen=True)
class Load:
    """What one optimizer step is made of.

    Attributes:
        length: Tokens of each example.
        examples: In a step.
        per_schema: Examples that ask of the same schema.
    """

    length: int
    examples: int
    per_schema: int


def draw_examples(load: Load, vocabulary: int, seed: int) -> list[EncodedExample]:
    """Draw the examples of a step: the instruction, a schema, a question, the completion."""
    draw = random.Random(seed)

    def ids(count: int, source: random.Random = draw) -> list[int]:
        return [source.randrange(3, vocabulary) for _ in range(count)]

    instruction = ids(INSTRUCTION, random.Random(0))
    examples = []
    for first in range(0, load.examples, load.per_schema):
        question = draw.randint(*QUESTION)
        schema = ids(load.length - INSTRUCTION - question - COMPLETION)
        for number in range(first, min(first + load.per_schema, load.examples)):
            tokens = array("i", [*instruction, *schema, *ids(question), *ids(COMPLETION)])
            examples.append(EncodedExample(f"{seed}-{number}", tokens, load.length - COMPLETION))
    return examples


@dataclass(frozen=True)
class Cost:
    """What a step has to compute.

    Attributes:
        tokens: Through the decoder.
        targets: Through the output head.
        pairs: Of a query and a key that it sees.
    """

    tokens: int
    targets: int
    pairs: int

    @classmethod
    def of(cls, examples: list[EncodedExample], shared: bool) -> "Cost":
        """Count the cost of examples, with prefixes computed once or again for each."""
        depths = (
            pack_shared_prefixes(examples).position_ids
            if shared
            else [place for example in examples for place in range(len(example.input_ids))]
        )
        targets = sum(example.num_target_tokens for example in examples)
        return cls(len(depths), targets, sum(depth + 1 for depth in depths))
