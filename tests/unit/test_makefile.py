"""Every target that the Makefile names has a rule."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit


def test_every_named_target_has_a_rule() -> None:
    text = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE)[0].split()
    assert [name for name in named if not re.search(rf"^{name}:", text, re.MULTILINE)] == []
    assert {"setup", "quickstart", "test", "audit", "docs", "sample", "clean"} <= set(named)
