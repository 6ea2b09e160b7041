"""The base model in shards on a GPU: with one process the only shard is the whole, so the weights are the same."""

from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("packing", ["none", "shared_prefix"])
def test_one_shard_trains_what_one_gpu_trains(fit: Any, tiny_llama_dir: Path, packing: str) -> None:
    from torch.distributed.fsdp import FSDPModule

    settings = {
        "precision": "32-true", "steps": 3, "quantization": "none", "optimizer": "adamw", "packing": packing,
        "gradient_checkpointing": True,
    }  # fmt: skip
    sharded = fit(tiny_llama_dir, strategy="fsdp2", **settings)
    whole = fit(tiny_llama_dir, **settings)
    assert sum(isinstance(part, FSDPModule) for part in sharded.lightning_module.modules()) == 2
    expected = {name: p.detach() for name, p in whole.lightning_module.named_parameters() if p.requires_grad}
    trained = {name: p.detach() for name, p in sharded.lightning_module.named_parameters() if p.requires_grad}
    assert trained.keys() == expected.keys()
    for name, parameter in trained.items():
        torch.testing.assert_close(parameter.cpu(), expected[name].cpu(), rtol=2e-3, atol=2e-4, msg=name)
