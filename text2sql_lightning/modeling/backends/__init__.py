"""How the base model is loaded: one file a backend, named in `settings.BackendName` and found by that name.

What every backend is asked for and offers, and what runs with what, decided before anything is loaded.
"""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from text2sql_lightning.errors import ConfigError
from text2sql_lightning.modeling.settings import Backend, BackendName, LoraSettings, Packing, Quantization

if TYPE_CHECKING:  # `text2sql estimate --help` answers without torch
    import torch
    from transformers import PreTrainedModel

    from text2sql_lightning.modeling.packs import Segments

Precision = Literal["bf16-mixed", "16-mixed", "32-true"]


@dataclass(frozen=True)
class Hardware:
    """What the choice depends on: the compute capability of the first GPU, None without one."""

    cuda_capability: tuple[int, int] | None

    @classmethod
    def here(cls) -> "Hardware":
        """Return that of this machine."""
        import torch

        return cls(torch.cuda.get_device_capability(0) if torch.cuda.is_available() else None)


def is_installed(package: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    return find_spec(package) is not None


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


@dataclass(frozen=True)
class LoadRequest:
    """A model to load.

    Args:
        base_model: Hub name or folder.
        quantization: How the base weights are kept.
        compute_dtype: Type of the matrix products, and of weights that are not quantized.
        device: Where the model goes, as a whole.
        lora: The adapter to create; None for the bare base model.
        adapter_path: A saved adapter to load instead of creating one.
        trainable: Whether the adapter will be trained.
        gradient_checkpointing: Trade compute for activation memory.
        max_seq_length: Longest sequence, in tokens; Unsloth sizes its position tables by it.
        seed: Seeds the adapter's initial weights.
        packing: How batches are laid out: packs need another attention.
    """

    base_model: str
    quantization: Quantization
    compute_dtype: "torch.dtype"
    device: "torch.device"
    lora: LoraSettings | None = None
    adapter_path: Path | None = None
    trainable: bool = False
    gradient_checkpointing: bool = False
    max_seq_length: int = 2048
    seed: int = 0
    packing: Packing = "none"


@dataclass(frozen=True)
class Costs:
    """What `estimate` needs to know about a backend's training step on a GPU, measured.

    Attributes:
        kept_widths: Values that a layer keeps of each token for its backward pass, in widths of the hidden states.
        kept_inner_widths: The same, in inner widths of the MLP, on top.
        backward_inner_widths: Further values that the backward pass of a layer needs for each token, in inner widths.
        share_of_peak: Operations per second over those of the data sheet, for padded batches.
        launch_seconds: Of a layer in a micro-batch, below which the processor that launches kernels does not get.
        launch_seconds_checkpointed: The same with gradient checkpointing.
        offloads: Whether gradient checkpointing keeps activations in the machine's memory instead of the GPU's.
    """

    kept_widths: float
    kept_inner_widths: float
    backward_inner_widths: float
    share_of_peak: float
    launch_seconds: float
    launch_seconds_checkpointed: float
    offloads: bool = False


class ModelBackend(Protocol):
    """Loads a causal language model with adapters and switches it between training and generation."""

    def support(self, quantization: Quantization, lora: LoraSettings | None, hardware: Hardware) -> None:
        """Refuse what the backend cannot do, before a weight is downloaded.

        Raises:
            ConfigError: Names the setting, and the nearest choice that works.
        """

    def costs(self) -> Costs:
        """Return what `estimate` needs to know."""

    def load(self, request: LoadRequest) -> "PreTrainedModel":
        """Return a model on its device, a `PeftModel` where an adapter was asked for."""

    def pack_arguments(
        self, decoder: "PreTrainedModel", ids: "torch.Tensor", segments: "Segments"
    ) -> dict[str, object]:
        """Return the keyword arguments that a decoder needs to attend within a pack of token ids (1, tokens)."""

    def for_training(self, model: "PreTrainedModel") -> None:
        """Prepare for forward and backward passes."""

    def for_inference(self, model: "PreTrainedModel") -> None:
        """Prepare for generation."""


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


def keep_adapter_in_float32(model: "torch.nn.Module") -> None:
    """Cast trainable weights to float32: small updates are lost in 16 bits."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def keep_quantized_weights(model: "torch.nn.Module") -> None:
    """Keep bitsandbytes from repacking 4-bit weights in place on CPUs with AVX512-BF16.

    In evaluation mode its `Linear4bit` (0.50) would change its weights to a layout for a bfloat16 kernel: SQL would be
    generated by other numbers than were trained, other ones than on the next machine, and the kernel has no gradient,
    so that training after a first validation would go on with wrong gradients.
    """
    set_on_layers(model, "support_avx512bf16_for_cpu", False)


def set_on_layers(model: "torch.nn.Module", name: str, value: object) -> None:
    """Set an attribute of those modules that have it."""
    for module in model.modules():
        if hasattr(module, name):
            setattr(module, name, value)
