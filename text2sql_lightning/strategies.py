"""`--trainer.strategy fsdp2`: DDP for the adapter, the frozen base model in shards."""

from typing import Any

from lightning.pytorch.strategies import DDPStrategy, StrategyRegistry

from text2sql_lightning.modeling.sharding import leave_frozen_to_shards


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
