"""What runs with what: backend, quantization and precision, decided before anything is loaded."""

import importlib.util
import sys
from dataclasses import dataclass
from typing import Literal

from text2sql_lightning.errors import ConfigError, missing_extra
from text2sql_lightning.modeling.settings import Backend, LoraSettings, Quantization

Precision = Literal["bf16-mixed", "16-mixed", "32-true"]
ConcreteBackend = Literal["unsloth", "transformers"]


@dataclass(frozen=True)
class Hardware:
    """What the choice depends on.

    Args:
        cuda_capability: Compute capability of the first GPU, or None without one.
    """

    cuda_capability: tuple[int, int] | None

    @classmethod
    def here(cls) -> "Hardware":
        """Look at this machine."""
        import torch

        return cls(torch.cuda.get_device_capability(0) if torch.cuda.is_available() else None)


def is_installed(package: str) -> bool:
    """Say whether a package can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def choose_precision(hardware: Hardware) -> Precision:
    """Mixed bfloat16 where the GPU has it, else mixed float16, float32 on a CPU.

    Decided by compute capability: `torch.cuda.is_bf16_supported()` also says yes to emulation, which is slow.
    """
    if hardware.cuda_capability is None:
        return "32-true"
    return "bf16-mixed" if hardware.cuda_capability >= (8, 0) else "16-mixed"


def choose_backend(backend: Backend, hardware: Hardware) -> ConcreteBackend:
    """Resolve `auto`: Unsloth where it is installed and there is a GPU, else transformers."""
    if backend != "auto":
        return backend
    return "unsloth" if hardware.cuda_capability is not None and is_installed("unsloth") else "transformers"


def check_support(
    backend: ConcreteBackend,
    quantization: Quantization,
    lora: LoraSettings | None,
    hardware: Hardware,
) -> None:
    """Refuse what cannot run, before a weight is downloaded.

    Raises:
        ConfigError: A package is missing, or the backend cannot do what is asked; names the nearest choice that can.
    """
    if backend == "unsloth" and not is_installed("unsloth"):
        raise missing_extra("model.backend unsloth", "unsloth", "unsloth", "--model.backend transformers")
    if backend == "transformers" and "unsloth" in sys.modules:
        raise ConfigError(
            "model.backend transformers was asked for, but unsloth is already imported in this process and has "
            "replaced parts of transformers: start a new process"
        )
    if quantization != "none" and not is_installed("bitsandbytes"):
        raise ConfigError(
            f"model.quantization {quantization} needs the package bitsandbytes, which is not installed: "
            "pip install bitsandbytes, or use --model.quantization none"
        )
    if backend == "unsloth" and quantization == "int8" and hardware.cuda_capability is None:
        raise ConfigError("model.quantization int8 with model.backend unsloth needs a GPU: use nf4 or none")
    if backend == "unsloth" and lora is not None and lora.use_dora:
        raise ConfigError(
            "model.lora.use_dora is not available with model.backend unsloth: use --model.backend transformers"
        )


_STRATEGIES = ("auto", "single_device", "singledevice", "ddp")
_SHARDED = ("fsdp2", "shardedbase")
_PRECISIONS = ("bf16-mixed", "16-mixed", "32-true")
_SPELLINGS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def is_sharded(strategy: object) -> bool:
    """Say whether `trainer.strategy`, a name or a configured class, is the one that shards the base model."""
    return _short_name(strategy) in _SHARDED


def _short_name(strategy: object) -> str:
    return str(getattr(strategy, "class_path", strategy)).rsplit(".", 1)[-1].lower().removesuffix("strategy")


def check_sharding(backend: ConcreteBackend, quantization: Quantization) -> None:
    """Refuse to shard what cannot be sharded, before a weight is downloaded.

    Raises:
        ConfigError: Names the setting, and the nearest choice that works.
    """
    if quantization != "none":
        raise ConfigError(
            f"trainer.strategy fsdp2 shards weights in full precision, and model.quantization is {quantization}: use "
            "--trainer.strategy ddp, where each process holds its own copy, or --model.quantization none"
        )
    if backend != "transformers":
        raise ConfigError(
            f"trainer.strategy fsdp2 needs --model.backend transformers, and it is {backend}: use that, or "
            "--trainer.strategy ddp"
        )


def check_trainer_support(strategy: object, precision: object, on_cpu: bool) -> None:
    """Refuse ways to train that this project cannot do right, before a weight is downloaded.

    Args:
        strategy: `trainer.strategy`: a name, or a configured class.
        precision: `trainer.precision`.
        on_cpu: Whether the run has no GPU.

    Raises:
        ConfigError: Names the setting, and the nearest choice that works.
    """
    name = _short_name(strategy)
    if name not in (*_STRATEGIES, *_SHARDED) and not name.startswith("ddp_"):
        raise ConfigError(
            f"trainer.strategy {getattr(strategy, 'class_path', strategy)}: only the adapter's gradients are shared "
            "here: use --trainer.strategy ddp, where each process holds its own copy of the base model, or fsdp2, "
            "which shards one that is not quantized"
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
