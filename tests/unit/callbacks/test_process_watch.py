import pytest

from text2sql_lightning.callbacks.process_watch import describe_exit

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("code", "words"),
    [(2, "ended with exit code 2"), (-9, "was ended by SIGKILL"), (-200, "was ended by signal 200")],
)
def test_exit_codes_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words
