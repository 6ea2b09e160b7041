"""What runs with what: backend, quantization and precision, decided before anything is loaded."""

import importlib.util
from dataclasses import dataclass
from typing import Literal

from text2sql_lightning.errors import ConfigError
from text2sql_lightning.modeling.settings import Backend, BackendName

Precision = Literal["bf16-mixed", "16-mixed", "32-true"]


@dataclass(frozen=True)
class Hardware:
    """What the choice depends on.

    Args:
        cuda_capability: Compute capability of the first GPU, or None without one.
    """

    cuda_capability: tuple[int, int] | None

    @classmethod
    def here(cls) -> "Hardware":
        """Return that of this machine."""
        import torch

        return cls(torch.cuda.get_device_capability(0) if torch.cuda.is_available() else None)


def is_installed(package: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def choose_precision(hardware: Hardware) -> Precision:
    """Return mixed bfloat16 where the GPU has it, else mixed float16, float32 on a CPU.

    Decided by compute capability: `torch.cuda.is_bf16_supported()` also says yes to emulation, which is slow.
    """
    if hardware.cuda_capability is None:
        return "32-true"
    return "bf16-mixed" if hardware.cuda_capability >= (8, 0) else "16-mixed"


def choose_backend(backend: Backend, hardware: Hardware) -> BackendName:
    """Return what `auto` means: Unsloth where it is installed and there is a GPU, else transformers."""
    if backend != "auto":
        return backend
    return "unsloth" if hardware.cuda_capability is not None and is_installed("unsloth") else "transformers"


_STRATEGIES = ("auto", "single_device", "singledevice", "ddp")
_PRECISIONS = ("bf16-mixed", "16-mixed", "32-true")
_SPELLINGS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def check_trainer_support(strategy: object, precision: object, on_cpu: bool) -> None:
    """Refuse ways to train that this project cannot do right, before a weight is downloaded.

    Args:
        strategy: `trainer.strategy`: a name, or a configured class.
        precision: `trainer.precision`.
        on_cpu: Whether the run has no GPU.

    Raises:
        ConfigError: Names the setting, and the nearest choice that works.
    """
    given_strategy = str(getattr(strategy, "class_path", strategy))
    name = given_strategy.rsplit(".", 1)[-1].lower().removesuffix("strategy")
    if name not in _STRATEGIES and not name.startswith("ddp_"):
        raise ConfigError(
            f"trainer.strategy {given_strategy}: only the adapter's gradients are shared here: use --trainer.strategy "
            "ddp, where each process holds its own copy of the base model"
        )
    given = _SPELLINGS.get(str(precision), str(precision))
    if given not in _PRECISIONS:
        nearest = "bf16-mixed" if "bf16" in given else "16-mixed" if "16" in given else "32-true"
        raise ConfigError(
            f"trainer.precision {precision}: the adapter is trained in float32, the rest in 16 or 32 bits: "
            f"use --trainer.precision {nearest}"
        )
    if given == "16-mixed" and on_cpu:
        raise ConfigError(
            "trainer.precision 16-mixed needs a GPU: leave it out for 32-true, or use --trainer.precision bf16-mixed"
        )
