import copy
from array import array
from typing import Any

import pytest
import torch

from text2sql_lightning.data.batching import plan_batches
from text2sql_lightning.data.encoding import EncodedExample
from text2sql_lightning.data.packing import (
    collate,
    collate_sequences,
    collate_shared_prefixes,
    pack_sequences,
    pack_shared_prefixes,
)
from text2sql_lightning.modeling.loss import select_targets, target_loss
from text2sql_lightning.modeling.pack_attention import pack_arguments, use_pack_attention

pytestmark = pytest.mark.unit


def example(name: str, prompt: list[int], completion: list[int]) -> EncodedExample:
    return EncodedExample(name, array("i", prompt + completion), len(prompt))


def test_pack_of_two_examples_is_their_prefix_tree() -> None:
    pack = pack_shared_prefixes([example("a", [5, 6], [8, 2]), example("b", [5, 7], [9, 2])])
    assert pack.input_ids == [5, 6, 8, 2, 7, 9, 2]
    assert pack.position_ids == [0, 1, 2, 3, 1, 2, 3]
    assert pack.target_positions == [1, 2, 4, 5]
    assert pack.target_ids == [8, 2, 9, 2]
    assert pack.layout() == [(1, ()), (3, (0,)), (3, (0,))]


def test_sequences_stand_one_behind_the_other() -> None:
    pack = pack_sequences([example("a", [5, 6], [8, 2]), example("b", [5], [9, 2])])
    assert pack.input_ids == [5, 6, 8, 2, 5, 9, 2]
    assert pack.position_ids == [0, 1, 2, 3, 0, 1, 2]
    assert pack.target_positions == [1, 2, 4, 5]
    assert pack.target_ids == [8, 2, 9, 2]
    assert pack.layout() == [(4, ()), (3, ())]


def test_one_example_alone_stays_as_it_is() -> None:
    pack = pack_shared_prefixes([example("a", [5, 6], [8, 2])])
    assert (pack.input_ids, pack.position_ids) == ([5, 6, 8, 2], [0, 1, 2, 3])
    assert (pack.target_positions, pack.target_ids) == ([1, 2], [8, 2])


def test_equal_prompts_are_shared_and_their_completions_are_not() -> None:
    pack = pack_shared_prefixes([example("a", [5, 6], [8, 2]), example("b", [5, 6], [8, 3]), example("c", [5], [6, 6])])
    assert pack.input_ids == [5, 6, 6, 6, 8, 2, 8, 3]
    assert pack.position_ids == [0, 1, 2, 1, 2, 3, 2, 3]
    assert pack.target_positions == [0, 1, 3, 4, 3, 6]
    assert pack.target_ids == [6, 6, 8, 2, 8, 3]


def test_a_prompt_that_another_prompt_continues() -> None:
    pack = pack_shared_prefixes([example("a", [5, 6, 7], [8, 2]), example("b", [5, 6], [9, 2])])
    assert pack.input_ids == [5, 6, 9, 2, 7, 8, 2]
    assert pack.position_ids == [0, 1, 2, 3, 2, 3, 4]
    assert pack.target_positions == [1, 2, 4, 5]


@pytest.fixture(scope="module")
def models() -> tuple[Any, Any]:
    """Two models of the same weights: one as transformers makes it, one that takes packs."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        attn_implementation="sdpa",
    )
    plain = LlamaForCausalLM(config).eval()
    packing = copy.deepcopy(plain)
    use_pack_attention(packing, 2048)
    return plain, packing


def gradient(model: Any) -> torch.Tensor:
    flat = torch.cat([parameter.grad.flatten() for parameter in model.model.parameters()])
    model.zero_grad()
    return flat


def draw_examples(seed: int) -> list[EncodedExample]:
    torch.manual_seed(seed)

    def draw(length: int) -> list[int]:
        return torch.randint(3, 50, (length,)).tolist()

    instruction, schemas = draw(6), [draw(9), draw(5)]
    examples = [
        example(f"{number}", [*instruction, *schemas[number % 2], *draw(1 + number)], draw(1 + 2 * number))
        for number in range(6)
    ]
    return [*examples, example("again", list(examples[0].input_ids[: examples[0].prompt_length]), draw(4))]


@pytest.mark.parametrize("collator", [collate_shared_prefixes, collate_sequences])
@pytest.mark.parametrize("seed", range(4))
def test_loss_and_gradients_are_those_of_the_separate_examples(models: Any, seed: int, collator: Any) -> None:
    plain, packing = models
    examples = draw_examples(seed)
    padded = collate(examples, pad_token_id=0)
    hidden = plain.model(input_ids=padded["input_ids"]).last_hidden_state
    separate = target_loss(*select_targets(hidden, padded["labels"]), plain.lm_head)
    separate.loss_sum.backward()
    expected = gradient(plain)

    pack = collator(examples)
    shares = collator is collate_shared_prefixes
    assert (pack["input_ids"].shape[1] < pack["num_tokens"]) == shares
    assert pack["num_tokens"] == padded["num_tokens"]
    hidden = packing.model(
        input_ids=pack["input_ids"],
        position_ids=pack["position_ids"],
        use_cache=False,
        **pack_arguments(packing.model, pack["input_ids"], pack["segments"]),
    ).last_hidden_state
    packed = target_loss(hidden[0, pack["target_positions"]], pack["target_ids"], packing.lm_head)
    packed.loss_sum.backward()
    assert int(packed.num_targets) == int(separate.num_targets) == pack["num_target_tokens"]
    assert packed.loss_sum.item() == pytest.approx(separate.loss_sum.item(), rel=1e-5)
    assert float((gradient(packing) - expected).norm() / expected.norm()) < 1e-5


def test_without_segments_the_attention_is_that_of_transformers(models: Any) -> None:
    plain, packing = models
    ids, mask = torch.tensor([[5, 6, 7, 8], [0, 5, 6, 7]]), torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1]])
    with torch.inference_mode():
        expected = plain(input_ids=ids, attention_mask=mask).logits
        assert torch.equal(packing(input_ids=ids, attention_mask=mask).logits, expected)
        assert torch.equal(packing(input_ids=ids[:1]).logits, plain(input_ids=ids[:1]).logits)


@pytest.mark.parametrize("world_size", [1, 2])
def test_grouped_batches_hold_every_example_once_and_at_most_half_of_one_group(world_size: int) -> None:
    groups = [index % 7 for index in range(100)]
    plans = [
        plan_batches([9] * 100, 8, seed=1, groups=groups, world_size=world_size, rank=rank)
        for rank in range(world_size)
    ]
    assert sorted(index for plan in plans for batch in plan for index in batch) == list(range(100))
    assert len({len(plan) for plan in plans}) == 1
    alike = [
        sum(groups[index] == groups[other] for other in batch) for plan in plans for batch in plan for index in batch
    ]
    assert sum(alike) / len(alike) > 3.5  # chance would give about 2
    assert plan_batches([9] * 100, 8, seed=1, groups=groups) != plan_batches(
        [9] * 100, 8, seed=1, epoch=1, groups=groups
    )


def test_evaluation_keeps_groups_together() -> None:
    groups = [index % 5 for index in range(40)]
    batches = plan_batches([9] * 40, 8, seed=1, groups=groups, shuffle=False)
    assert sorted(groups[batch[0]] for batch in batches) == [0, 1, 2, 3, 4]
    assert all(len({groups[index] for index in batch}) == 1 for batch in batches)
