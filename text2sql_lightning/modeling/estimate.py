"""The sizes of a Llama-shaped model, from its configuration alone."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from text2sql_lightning.constants import DEFAULT_BASE_MODEL
from text2sql_lightning.errors import ModelError
from text2sql_lightning.modeling.settings import PROJECTIONS, Quantization
from text2sql_lightning.modeling.support import ConcreteBackend

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
        """Give inputs and outputs of a layer's linear projections."""
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
        """Give the floating-point operations of a LoRA step.

        Forward and the gradient of the activations; the frozen weights have no gradient, the adapter's own products
        are below a percent, and what gradient checkpointing computes again does not count (as in MFU,
        arXiv:2204.02311).

        Args:
            tokens: Through the decoder.
            targets: Through the output head.
            pairs: Of a query and a key that it sees.
        """
        products = self.linear_weights * tokens + self.width * self.vocabulary * targets
        return 4.0 * products + 12.0 * self.layers * self.query_width * pairs


def read_shape(base_model: str) -> ModelShape:
    """Find out the shape of a base model without its weights.

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


NF4_BYTES: Final = 0.5 + 1 / 64 + 4 / (64 * 256)
"""A 4-bit weight with its share of the block's scale, which is quantized to 8 bits itself (arXiv:2305.14314)."""
_HEAD_CHUNK: Final = 2048
_ADAPTER_BYTES: Final = 4
_ADAMW_BYTES: Final = 8
_ADAMW_8BIT_BYTES: Final = 2 + 2 * 4 / 256

_KEPT: Final = {"transformers": (9.4, 4.0), "unsloth": (6.6, 2.0)}
"""Values that a layer keeps of each token for its backward pass, in widths and inner widths of the model."""
_PASSING: Final = {"transformers": 1.0, "unsloth": 5.0}
"""Values that its backward pass needs besides for each token, in inner widths."""
_SHARE_OF_PEAK: Final = {"transformers": 0.25, "unsloth": 0.31}
"""Operations per second over those of the data sheet, for padded batches on an H100."""
_LAUNCH: Final = {"transformers": {True: 0.020, False: 0.0125}, "unsloth": {True: 0.0125, False: 0.0105}}
"""Seconds of a layer in a micro-batch below which the processor that launches kernels does not get, with gradient
checkpointing and without; seen beside an H100 with packs of 2,800 tokens."""


@dataclass(frozen=True)
class TrainingLoad:
    """What each GPU does at once.

    Attributes:
        tokens: Of a micro-batch, padding or shared prefixes as they are.
        targets: Of them, completion tokens.
        backend: Whose kernels run.
        quantization: Of the base weights.
        value_bytes: Of a number in matrix products: 2 or 4.
        adapter_weights: That are trained.
        checkpointing: Whether activations are computed again in the backward pass.
        eight_bit_optimizer: Whether AdamW keeps its state in 8 bits.
    """

    tokens: int
    targets: int
    backend: ConcreteBackend
    quantization: Quantization
    value_bytes: int
    adapter_weights: int
    checkpointing: bool
    eight_bit_optimizer: bool


@dataclass(frozen=True)
class Footprint:
    """Bytes on each GPU.

    Attributes:
        base_weights: Frozen.
        adapter: Weights and gradients, float32.
        optimizer: Its state.
        kept_activations: From the forward pass to the backward pass.
        working_set: Of the layer, or the output head, at work.
        on_host: Activations that Unsloth's gradient checkpointing keeps in the machine's memory; not in the total.
    """

    base_weights: float
    adapter: float
    optimizer: float
    kept_activations: float
    working_set: float
    on_host: float = 0.0

    @property
    def total(self) -> float:
        """Bytes of all tensors; CUDA's own come on top."""
        return self.base_weights + self.adapter + self.optimizer + self.kept_activations + self.working_set


def footprint(shape: ModelShape, load: TrainingLoad) -> Footprint:
    """Add up what a training step holds on each GPU."""
    kept_widths, kept_inner = _KEPT[load.backend]
    of_layer = load.value_bytes * load.tokens * (kept_widths * shape.width + kept_inner * shape.inner_width)
    passing = load.value_bytes * load.tokens * _PASSING[load.backend] * shape.inner_width
    boundaries = float(load.value_bytes * shape.layers * load.tokens * shape.width)
    head = min(load.targets, _HEAD_CHUNK) * shape.vocabulary * (load.value_bytes + 4)
    offloads = load.checkpointing and load.backend == "unsloth"
    if not load.checkpointing:
        kept, working = of_layer * shape.layers, passing
    else:
        kept, working = 0.0 if offloads else boundaries, passing + of_layer
    return Footprint(
        base_weights=_weight_bytes(load) * shape.linear_weights + load.value_bytes * shape.other_weights,
        adapter=2.0 * _ADAPTER_BYTES * load.adapter_weights,
        optimizer=_optimizer_bytes(load),
        kept_activations=kept,
        working_set=working + head,
        on_host=boundaries if offloads else 0.0,
    )


def _weight_bytes(load: TrainingLoad) -> float:
    return {"nf4": NF4_BYTES, "int8": 1.0, "none": float(load.value_bytes)}[load.quantization]


@dataclass(frozen=True)
class StepTime:
    """Seconds of a micro-batch.

    Attributes:
        computing: That the GPU needs for its products.
        launching: That the processor needs to start its kernels, however few tokens they have.
    """

    computing: float
    launching: float

    @property
    def seconds(self) -> float:
        """The longer of the two: they overlap."""
        return max(self.computing, self.launching)


def micro_batch_time(
    shape: ModelShape, backend: ConcreteBackend, checkpointing: bool, peak_flops: float, records: int, length: float
) -> StepTime:
    """Estimate the time of a micro-batch.

    Args:
        shape: The model.
        backend: Whose kernels run.
        checkpointing: Whether activations are computed again.
        peak_flops: Of the GPU's data sheet, dense, in 16 bits.
        records: Of the micro-batch.
        length: Tokens of a record, padding included.
    """
    flops = shape.step_flops(records * length, records * min(length, 40), records * length * (length + 1) / 2)
    return StepTime(flops / (peak_flops * _SHARE_OF_PEAK[backend]), shape.layers * _LAUNCH[backend][checkpointing])


def checkpoint_bytes(load: TrainingLoad) -> float:
    """Give the size of `last.ckpt`: adapter weights and optimizer state."""
    return _ADAPTER_BYTES * load.adapter_weights + _optimizer_bytes(load)


def _optimizer_bytes(load: TrainingLoad) -> float:
    return (_ADAMW_8BIT_BYTES if load.eight_bit_optimizer else _ADAMW_BYTES) * load.adapter_weights


def all_reduce_bytes(adapter_weights: int, gpus: int) -> float:
    """Give what each GPU sends in a step: a ring all-reduce of the adapter's gradients in float32."""
    return 2.0 * _ADAPTER_BYTES * adapter_weights * (gpus - 1) / gpus
