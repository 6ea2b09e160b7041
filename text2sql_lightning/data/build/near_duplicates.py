"""Questions that nearly are the same: compared by MinHash sketches, which tell nothing else about the question."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from text2sql_lightning.data.build.normal_form import question_words
from text2sql_lightning.sql.tokens import keywords

SKETCH_SIZE: Final = 128
"""Bytes of a sketch: the lowest byte of as many minima. The error of the similarity is about 0.04."""

_SEED: Final = 1
_GRAM: Final = 3
_COLLISION: Final = 1 / 256
_STOP_WORDS: Final = keywords(
    """a all also an and any are as at be been both by can could did display do does each every find for from get give
    given had has have her his how i if in into is it its list many me much name names number of on or our out please
    provide return s select show tell than that the their them there these they this those to total up us was we were
    what when where which while who whom whose will with you your
    zero one two three four five six seven eight nine ten"""
)


def question_features(question: str, literal_words: frozenset[str] = frozenset()) -> list[str]:
    """Take from a question what stays when it is put in other words.

    Numbers, the words of the query's literals and the words that every question has go. Of each word that is left the
    plural's ending goes, and its pieces of three letters are taken, so that a slip of the pen changes few of them. The
    order of the words does not count.

    Args:
        question: The question.
        literal_words: The words of its query's text literals.

    Returns:
        The features, each once, sorted.
    """
    words = {
        _singular(word)
        for word in question_words(question)
        if word not in _STOP_WORDS and word not in literal_words and not word[0].isdigit()
    }
    return sorted({f" {word} "[at : at + _GRAM] for word in words for at in range(len(word) + 3 - _GRAM)})


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def sketch(features: Sequence[str]) -> bytes:
    """Reduce features to a few bytes that two sets of features can be compared by.

    This is b-bit minwise hashing (Li and König, 2010) with b = 8 over the MinHash of the datasketch library.

    Args:
        features: The features.

    Returns:
        `SKETCH_SIZE` bytes; none for no features.
    """
    if not features:
        return b""
    import numpy as np

    minhash = _empty_minhash().copy()
    minhash.update_batch([feature.encode() for feature in features])
    return bytes((minhash.hashvalues & 0xFF).astype(np.uint8))


@lru_cache(maxsize=1)
def _empty_minhash() -> Any:
    from datasketch import MinHash

    return MinHash(num_perm=SKETCH_SIZE, seed=_SEED, scheme="affine32")


def similarities(one: bytes, others: Any) -> Any:
    """Estimate the Jaccard similarity of the features behind sketches.

    Args:
        one: A sketch.
        others: Other sketches, an array of `[n, SKETCH_SIZE]` bytes; zeros for no features.

    Returns:
        An array of n numbers, 0 to 1.
    """
    import numpy as np

    equal = (others == np.frombuffer(one, np.uint8)).mean(axis=1)
    return np.maximum(0.0, (equal - _COLLISION) / (1 - _COLLISION))
