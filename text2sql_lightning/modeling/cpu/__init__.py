"""The fast path on a CPU, by its one door: what training and generation take from it."""

from text2sql_lightning.modeling.cpu.block_attention import has_bfloat16_products
from text2sql_lightning.modeling.cpu.generation_attention import SharedPrefixes, grouped_attention
from text2sql_lightning.modeling.cpu.linear import accelerate, accelerated_generation

__all__ = ["SharedPrefixes", "accelerate", "accelerated_generation", "grouped_attention", "has_bfloat16_products"]
