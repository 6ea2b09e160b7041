"""What the quickstart does where something was not said: the precision, the data's distractors, how many records."""

import pytest

from text2sql_lightning.commands.quickstart import _decide, main
from text2sql_lightning.modeling import cpu

pytestmark = pytest.mark.unit

ROWS = ["--rows", "mine.jsonl"]


@pytest.mark.parametrize(
    ("flags", "has_bfloat16", "expected"),
    [
        ([], False, ("32-true", None, 1350)),  # None: what build_dataset does by default
        ([], True, ("32-true", None, 1350)),
        (["--precision", "bf16-mixed"], True, ("bf16-mixed", None, 1350)),
        (["--distractors", "0"], True, ("32-true", 0.0, 1350)),
        (ROWS, True, ("bf16-mixed", None, 4000)),
        (ROWS, False, ("32-true", 0.0, 1350)),
        ([*ROWS, "--precision", "32-true"], True, ("32-true", 0.0, 1350)),
        ([*ROWS, "--precision", "bf16-mixed"], False, ("bf16-mixed", None, 4000)),
        ([*ROWS, "--distractors", "3"], False, ("32-true", 3.0, 4000)),
        ([*ROWS, "--distractors", "0"], True, ("bf16-mixed", 0.0, 1350)),
        ([*ROWS, "--train_examples", "50"], True, ("bf16-mixed", None, 50)),
    ],
)
def test_what_was_not_given(
    flags: list[str], has_bfloat16: bool, expected: tuple[str, float | None, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "has_bfloat16_products", lambda: has_bfloat16)
    args = main.parser().parse_args(flags)
    _decide(args)
    assert (args.precision, args.distractors, args.train_examples) == expected
