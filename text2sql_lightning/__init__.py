"""Fine-tune a language model to write SQL, on PyTorch Lightning."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from text2sql_lightning.data.datamodule import Text2SQLDataModule
    from text2sql_lightning.inference.asking import Asker
    from text2sql_lightning.module import Text2SQLModule
    from text2sql_lightning.text.prompts import build_prompt
    from text2sql_lightning.text.sql_cleaning import ensure_sql_only

__version__ = "0.2.0"
__all__ = ["Asker", "Text2SQLDataModule", "Text2SQLModule", "__version__", "build_prompt", "ensure_sql_only"]

_HOMES = {
    "Asker": "text2sql_lightning.inference.asking",
    "Text2SQLDataModule": "text2sql_lightning.data.datamodule",
    "Text2SQLModule": "text2sql_lightning.module",
    "build_prompt": "text2sql_lightning.text.prompts",
    "ensure_sql_only": "text2sql_lightning.text.sql_cleaning",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for, so that `import text2sql_lightning` costs nothing (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
