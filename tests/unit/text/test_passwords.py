import pytest

from text2sql_lightning.errors import hide_passwords

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no database file postgresql:/u:s3cret@h/x; give", "no database file postgresql:/u:***@h/x; give"),
        ("--flag mysql+x://u:a:b@c@h:1/x?y=z", "--flag mysql+x://u:***@h:1/x?y=z"),
        ("Server=h;PWD=s3cret;x=1", "Server=h;PWD=***;x=1"),
        ("?password=s3cret&x=1", "?password=***&x=1"),
        ("host:5432 of me@example.org", "host:5432 of me@example.org"),
        ("https://huggingface.co/datasets/x and HF_TOKEN: see", "https://huggingface.co/datasets/x and HF_TOKEN: see"),
        ("argument --seed: invalid int value: 'x'", "argument --seed: invalid int value: 'x'"),
    ],
)
def test_what_looks_like_a_password_is_hidden(text: str, shown: str) -> None:
    assert hide_passwords(text) == shown
