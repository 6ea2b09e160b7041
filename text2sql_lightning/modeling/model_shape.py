"""The sizes of a Llama-shaped model, the data sheets of GPUs, and the share of a GPU's peak that training uses."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from text2sql_lightning.constants import DEFAULT_BASE_MODEL
from text2sql_lightning.errors import ModelError
from text2sql_lightning.modeling.settings import PROJECTIONS

if TYPE_CHECKING:
    import torch

_KINDS: Final = ("llama", "mistral", "qwen2", "qwen3", "gemma")
"""Of models with the seven projections, all of them in every layer."""
_MISTRAL_7B: Final = {
    "model_type": "mistral",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
}


@dataclass(frozen=True)
class ModelShape:
    """The sizes that memory and time depend on.

    Attributes:
        width: Of the hidden states.
        inner_width: Between the two halves of the MLP.
        layers: How many.
        query_width: Of all query heads together.
        key_width: Of all heads of keys together; values are as wide.
        vocabulary: Token ids.
        tied: Whether the output head is the embedding.
    """

    width: int
    inner_width: int
    layers: int
    query_width: int
    key_width: int
    vocabulary: int
    tied: bool

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "ModelShape":
        """Read transformers' configuration of a Llama-shaped model.

        Raises:
            ModelError: It is one of another kind.
        """
        kind = config.get("model_type")
        if kind not in _KINDS:
            raise ModelError(f"model.base_model: a model of type {kind} cannot be estimated; {', '.join(_KINDS)} can")
        try:
            width, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
            head_width = int(config.get("head_dim") or width // heads)
            return cls(
                width=width,
                inner_width=int(config["intermediate_size"]),
                layers=int(config["num_hidden_layers"]),
                query_width=heads * head_width,
                key_width=int(config.get("num_key_value_heads") or heads) * head_width,
                vocabulary=int(config["vocab_size"]),
                tied=bool(config.get("tie_word_embeddings", False)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"model.base_model: its configuration has no usable {error}: the folder may be damaged"
            ) from error

    def projections(self) -> dict[str, tuple[int, int]]:
        """Return the inputs and outputs of a layer's linear projections."""
        return {
            "q_proj": (self.width, self.query_width),
            "k_proj": (self.width, self.key_width),
            "v_proj": (self.width, self.key_width),
            "o_proj": (self.query_width, self.width),
            "gate_proj": (self.width, self.inner_width),
            "up_proj": (self.width, self.inner_width),
            "down_proj": (self.inner_width, self.width),
        }

    @property
    def linear_weights(self) -> int:
        """Weights of the projections of all layers: what is quantized."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.projections().values())

    @property
    def other_weights(self) -> int:
        """Weights of embedding, output head and norms."""
        return self.vocabulary * self.width * (1 if self.tied else 2) + (2 * self.layers + 1) * self.width

    def adapter_weights(self, r: int, targets: Iterable[str] | Literal["all-linear"] = PROJECTIONS) -> int:
        """Count the weights of a LoRA adapter of rank r."""
        shapes = self.projections()
        chosen = shapes if targets == "all-linear" else [name for name in targets if name in shapes]
        return self.layers * sum(r * sum(shapes[name]) for name in chosen)

    def step_flops(self, tokens: float, targets: float, pairs: float) -> float:
        """Return the floating-point operations of a LoRA step: forward, and the gradient of the activations.

        The frozen weights have no gradient, the adapter's own products are below a percent, and what gradient
        checkpointing computes again does not count (as in MFU, arXiv:2204.02311).

        Args:
            tokens: Through the decoder.
            targets: Through the output head.
            pairs: Of a query and a key that it sees.
        """
        products = self.linear_weights * tokens + self.width * self.vocabulary * targets
        return 4.0 * products + 12.0 * self.layers * self.query_width * pairs


def read_shape(base_model: str) -> ModelShape:
    """Return the shape of a base model without its weights.

    Args:
        base_model: A folder, or a hub name; of the default model nothing is fetched, of others the configuration.

    Raises:
        ModelError: There is no configuration, or one of another kind of model.
    """
    path = Path(base_model) / "config.json"
    if path.is_file():
        try:
            return ModelShape.of(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise ModelError(f"model.base_model: {path} is not valid JSON: {error}") from error
    if base_model == DEFAULT_BASE_MODEL:
        return ModelShape.of(_MISTRAL_7B)
    from transformers import AutoConfig

    from text2sql_lightning.files.hub import readable_hub_errors

    with readable_hub_errors(base_model, "model.base_model"):
        return ModelShape.of(AutoConfig.from_pretrained(base_model, trust_remote_code=False).to_dict())


@dataclass(frozen=True)
class Gpu:
    """One kind of GPU.

    Attributes:
        name: As people say it.
        word: By which CUDA's name for it is known.
        memory: Bytes that PyTorch sees.
        peak_flops: Dense, in the 16 bits that this project chooses for it, from the data sheet.
    """

    name: str
    word: str
    memory: float
    peak_flops: float


GPUS: Final = {
    "t4": Gpu("T4", "T4", 14.6 * 2**30, 65e12),
    "l4": Gpu("L4", "L4", 22.0 * 2**30, 121e12),
    "a10g": Gpu("A10G", "A10G", 22.0 * 2**30, 70e12),
    "rtx4090": Gpu("RTX 4090", "4090", 23.5 * 2**30, 165e12),
    "a100": Gpu("A100 80 GB", "A100", 79.1 * 2**30, 312e12),
    "h100": Gpu("H100 80 GB", "H100", 79.2 * 2**30, 989e12),
    "h200": Gpu("H200", "H200", 139.8 * 2**30, 989e12),
}


def peak_flops(device: "torch.device") -> float | None:
    """Return the operations per second of a GPU's data sheet, dense, in 16 bits; None where it is not known."""
    if device.type != "cuda":
        return None
    import torch

    words = torch.cuda.get_device_name(device).upper().replace("-", " ").split()
    slower = {"PCIE", "NVL", "LAPTOP", "MAX"}  # other cards of the same name
    return next((gpu.peak_flops for gpu in GPUS.values() if gpu.word in words and not slower & set(words)), None)


def model_flops_utilization(
    config: Mapping[str, object], device: "torch.device", tokens: float, targets: float, pairs: float, seconds: float
) -> float | None:
    """Return the MFU of arXiv:2204.02311, without what is computed a second time; None where model or GPU is not known.

    The model is described as transformers does; tokens, targets and pairs are those of `ModelShape.step_flops`.
    """
    peak = peak_flops(device)
    try:
        return peak and ModelShape.of(config).step_flops(tokens, targets, pairs) / seconds / peak
    except ModelError:
        return None
