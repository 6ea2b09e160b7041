from typing import Any

import pytest

from text2sql_lightning.modeling.packs import ends_by_token, reader_ends

pytestmark = pytest.mark.unit


def test_readers_stand_in_one_run() -> None:
    segments = [(3, ()), (2, (0,)), (1, (0, 1)), (4, (0,)), (2, ()), (1, (4,))]
    assert reader_ends(segments) == [10, 6, 6, 10, 13, 13]
    assert ends_by_token(segments).tolist() == [10] * 3 + [6] * 3 + [10] * 4 + [13] * 3


@pytest.mark.parametrize(
    ("segments", "number"),
    [
        ([(3, ()), (2, ()), (1, (0,))], 2),  # another root between
        ([(3, ()), (2, (0,)), (4, (0,)), (1, (0, 1))], 3),  # a brother between
    ],
)
def test_packs_that_are_not_laid_out_from_the_root_down_are_refused(segments: Any, number: int) -> None:
    """Their masks would let tokens see what stands between."""
    with pytest.raises(ValueError, match=f"segment {number} of a pack is separated"):
        reader_ends(segments)
