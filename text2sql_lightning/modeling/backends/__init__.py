"""How the base model is loaded: one file a backend, named in `settings.BackendName` and found by that name."""

from importlib import import_module

from text2sql_lightning.errors import ConfigError
from text2sql_lightning.modeling.backends.base import Costs, LoadRequest, ModelBackend
from text2sql_lightning.modeling.settings import BackendName, LoraSettings, Quantization
from text2sql_lightning.modeling.support import Hardware, is_installed

__all__ = ["Costs", "LoadRequest", "ModelBackend", "check_support", "get_backend"]


def get_backend(name: BackendName) -> ModelBackend:
    """Return the backend of that name, `backends/<name>.py`; what it needs is imported when it loads a model."""
    backend: ModelBackend = import_module(f"{__name__}.{name}").BACKEND
    return backend


def check_support(name: BackendName, quantization: Quantization, lora: LoraSettings | None, hardware: Hardware) -> None:
    """Refuse what cannot run, before a weight is downloaded.

    Raises:
        ConfigError: A package is missing, or the backend cannot do what is asked; names the nearest choice that can.
    """
    if quantization != "none" and not is_installed("bitsandbytes"):
        raise ConfigError(
            f"model.quantization {quantization} needs the package bitsandbytes, which is not installed: "
            "pip install bitsandbytes, or use --model.quantization none"
        )
    get_backend(name).support(quantization, lora, hardware)
