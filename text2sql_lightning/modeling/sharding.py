"""The frozen base model in shards, one for each process, while the adapter stays whole everywhere (FSDP2 under DDP).

Each decoder layer is gathered just before it computes and let go afterwards. What is trained is not sharded: DDP sums
the adapter's gradients as always, so gradients, checkpoints and resumes are those of DDP. Only weights in full
precision can be sharded; 4-bit weights carry a state that belongs to the whole matrix.
"""

import warnings
from typing import Any

import torch
from lightning.pytorch.strategies import DDPStrategy, StrategyRegistry
from torch.nn.parallel import DistributedDataParallel

from text2sql_lightning.errors import ModelError
from text2sql_lightning.modeling.backends.base import LoadRequest, ModelBackend
from text2sql_lightning.modeling.decoder import decoder_of
from text2sql_lightning.modeling.packs import Segments


def shard_base(model: Any, device: torch.device) -> None:
    """Shard the frozen weights of the decoder's layers over all processes.

    Args:
        model: The model, whole on this process's device.
        device: That device; its type decides the process group's mesh.

    Raises:
        ModelError: The decoder has no list of layers.
    """
    from torch.distributed import get_world_size
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    # Layers in three parts give a view, and nothing here writes into it.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor", UserWarning)
    mesh = init_device_mesh(device.type, (get_world_size(),))
    for layer in layers_of(model):
        fully_shard(layer, mesh=mesh, ignored_params={p for p in layer.parameters() if p.requires_grad})


def layers_of(model: Any) -> list[torch.nn.Module]:
    """Give the layers of the decoder.

    Raises:
        ModelError: It has no list of them.
    """
    layers = getattr(decoder_of(model), "layers", None)
    if not isinstance(layers, torch.nn.ModuleList):
        raise ModelError(
            f"trainer.strategy fsdp2: {type(decoder_of(model)).__name__} has no list of layers to shard: use ddp"
        )
    return list(layers)


def gather_base(model: Any) -> None:
    """Make every process hold the whole model until `scatter_base`: in generation they take different steps."""
    for layer in _sharded(model):
        layer.set_reshard_after_forward(False)
        layer.unshard()


def scatter_base(model: Any) -> None:
    """Let go of what the other processes hold."""
    for layer in _sharded(model):
        layer.set_reshard_after_forward(True)
        layer.reshard()


def leave_frozen_to_shards(model: torch.nn.Module) -> None:
    """Tell DDP, which is about to wrap a model, to look at what is trained only."""
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    buffers = [name for name, _ in model.named_buffers()]
    ignore: Any = DistributedDataParallel._set_params_and_buffers_to_ignore_for_model
    ignore(model, [*frozen, *buffers])


def _sharded(model: Any) -> list[Any]:
    from torch.distributed.fsdp import FSDPModule

    return [layer for layer in layers_of(model) if isinstance(layer, FSDPModule)]


class ShardedBackend:
    """Another backend, and shards.

    Args:
        whole: Loads the model as a whole.
    """

    def __init__(self, whole: ModelBackend) -> None:
        self._whole = whole

    def load(self, request: LoadRequest) -> Any:
        """Load the model, then shard its frozen layers."""
        model = self._whole.load(request)
        shard_base(model, request.device)
        return model

    def pack_arguments(self, decoder: Any, ids: torch.Tensor, segments: Segments) -> dict[str, Any]:
        """Give what the decoder needs to attend within a pack."""
        return self._whole.pack_arguments(decoder, ids, segments)

    def for_training(self, model: Any) -> None:
        """Prepare for forward and backward passes, each layer gathered for as long as it computes."""
        self._whole.for_training(model)
        scatter_base(model)

    def for_inference(self, model: Any) -> None:
        """Prepare for generation, the whole model in every process."""
        self._whole.for_inference(model)
        gather_base(model)


class ShardedBaseStrategy(DDPStrategy):
    """DDP over what is trained; `Text2SQLModule` shards the rest when it loads the model.

    Args:
        kwargs: Those of DDPStrategy.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def setup(self, trainer: Any) -> None:
        """Prepare DDP, which would otherwise send the frozen weights around."""
        leave_frozen_to_shards(trainer.lightning_module)
        super().setup(trainer)


if "fsdp2" not in StrategyRegistry:
    StrategyRegistry.register("fsdp2", ShardedBaseStrategy, description="the frozen base model in shards, DDP for LoRA")
