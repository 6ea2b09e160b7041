"""Memory and time of a training step on a GPU, from formulas that were held against measurements on an H100."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from text2sql_lightning.modeling.backends import Costs
from text2sql_lightning.modeling.model_shape import ModelShape
from text2sql_lightning.modeling.settings import Quantization

NF4_BYTES: Final = 0.5 + 1 / 64 + 4 / (64 * 256)
"""A 4-bit weight with its share of the block's scale, which is quantized to 8 bits itself (arXiv:2305.14314)."""
_HEAD_CHUNK: Final = 2048
_ADAPTER_BYTES: Final = 4
_ADAMW_BYTES: Final = 8
_ADAMW_8BIT_BYTES: Final = 2 + 2 * 4 / 256


@dataclass(frozen=True)
class TrainingLoad:
    """What each GPU does at once.

    Attributes:
        tokens: Of a micro-batch, padding or shared prefixes as they are.
        targets: Of them, completion tokens.
        costs: Of the backend whose kernels run.
        quantization: Of the base weights.
        value_bytes: Of a number in matrix products: 2 or 4.
        adapter_weights: That are trained.
        checkpointing: Whether activations are computed again in the backward pass.
        eight_bit_optimizer: Whether AdamW keeps its state in 8 bits.
    """

    tokens: int
    targets: int
    costs: Costs
    quantization: Quantization
    value_bytes: int
    adapter_weights: int
    checkpointing: bool
    eight_bit_optimizer: bool


@dataclass(frozen=True)
class Footprint:
    """Bytes on each GPU.

    Attributes:
        parts: Of the tensors, by what they are; CUDA's own come on top.
        on_host: Activations that gradient checkpointing keeps in the machine's memory; not in the total.
    """

    parts: Mapping[str, float]
    on_host: float = 0.0

    @property
    def total(self) -> float:
        """Bytes of all tensors."""
        return sum(self.parts.values())


def footprint(shape: ModelShape, load: TrainingLoad) -> Footprint:
    """Add up what a training step holds on each GPU."""
    costs = load.costs
    of_layer = costs.kept_widths * shape.width + costs.kept_inner_widths * shape.inner_width
    of_layer *= load.value_bytes * load.tokens
    passing = load.value_bytes * load.tokens * costs.backward_inner_widths * shape.inner_width
    boundaries = float(load.value_bytes * shape.layers * load.tokens * shape.width)
    head = min(load.targets, _HEAD_CHUNK) * shape.vocabulary * (load.value_bytes + 4)
    offloads = load.checkpointing and costs.offloads
    if not load.checkpointing:
        kept, working = of_layer * shape.layers, passing
    else:
        kept, working = 0.0 if offloads else boundaries, passing + of_layer
    weight_bytes = {"nf4": NF4_BYTES, "int8": 1.0, "none": float(load.value_bytes)}[load.quantization]
    parts = {
        "base weights": weight_bytes * shape.linear_weights + load.value_bytes * shape.other_weights,
        "adapter and its gradients": 2.0 * _ADAPTER_BYTES * load.adapter_weights,
        "optimizer": _optimizer_bytes(load),
        "activations kept for the backward pass": kept,
        "the layer or output head at work": working + head,
    }
    return Footprint(parts, boundaries if offloads else 0.0)


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


def micro_batch_time(shape: ModelShape, load: TrainingLoad, peak_flops: float, records: int, length: float) -> StepTime:
    """Estimate the time of a micro-batch.

    Args:
        shape: The model.
        load: Whose kernels run, and whether activations are computed again.
        peak_flops: Of the GPU's data sheet, dense, in 16 bits.
        records: Of the micro-batch.
        length: Tokens of a record, padding included.
    """
    costs = load.costs
    flops = shape.step_flops(records * length, records * min(length, 40), records * length * (length + 1) / 2)
    launch = costs.launch_seconds_checkpointed if load.checkpointing else costs.launch_seconds
    return StepTime(flops / (peak_flops * costs.share_of_peak), shape.layers * launch)


def checkpoint_bytes(load: TrainingLoad) -> float:
    """Return the size of `last.ckpt`: adapter weights and optimizer state."""
    return _ADAPTER_BYTES * load.adapter_weights + _optimizer_bytes(load)


def _optimizer_bytes(load: TrainingLoad) -> float:
    return (_ADAMW_8BIT_BYTES if load.eight_bit_optimizer else _ADAMW_BYTES) * load.adapter_weights


def all_reduce_bytes(adapter_weights: int, gpus: int) -> float:
    """Return the bytes that each GPU sends in a step: a ring all-reduce of the adapter's gradients in float32."""
    return 2.0 * _ADAPTER_BYTES * adapter_weights * (gpus - 1) / gpus
