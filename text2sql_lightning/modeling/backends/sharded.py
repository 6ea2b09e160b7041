"""A backend whose base model lies in shards over all processes, but for generation."""

from typing import Any

import torch

from text2sql_lightning.modeling.backends.base import LoadRequest, ModelBackend
from text2sql_lightning.modeling.segments import Segments
from text2sql_lightning.modeling.sharding import gather_base, scatter_base, shard_base


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
