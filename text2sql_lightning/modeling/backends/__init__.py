"""How the base model is loaded."""

from text2sql_lightning.modeling.backends.base import LoadRequest, ModelBackend
from text2sql_lightning.modeling.support import ConcreteBackend

__all__ = ["LoadRequest", "ModelBackend", "get_backend"]


def get_backend(name: ConcreteBackend) -> ModelBackend:
    """Give the backend of that name, importing only its packages."""
    if name == "unsloth":
        from text2sql_lightning.modeling.backends.unsloth import UnslothBackend

        return UnslothBackend()
    from text2sql_lightning.modeling.backends.transformers import TransformersBackend

    return TransformersBackend()
