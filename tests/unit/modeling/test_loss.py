"""target_loss against an independent reference: full logits, a loop over positions, cross_entropy by hand."""

import math
from typing import Any

import pytest
import torch

from text2sql_lightning.constants import IGNORE_INDEX
from text2sql_lightning.modeling.loss import CompletionLoss, select_positions, select_targets, target_loss

pytestmark = pytest.mark.unit

WIDTH, VOCABULARY = 8, 11


def completion_loss(hidden: Any, labels: Any, head: Any, **more: Any) -> CompletionLoss:
    """The loss of a padded batch."""
    return target_loss(*select_targets(hidden, labels), head, **more)


def make_batch(seed: Any = 0, lengths: Any = ((3, 2), (1, 6), (5, 1))) -> Any:
    """Rows of (prompt, completion) lengths, padded to the right."""
    generator = torch.Generator().manual_seed(seed)
    width = max(sum(pair) for pair in lengths)
    labels = torch.full((len(lengths), width), IGNORE_INDEX)
    for row, (prompt, completion) in enumerate(lengths):
        labels[row, prompt : prompt + completion] = torch.randint(VOCABULARY, (completion,), generator=generator)
    hidden = torch.randn(len(lengths), width, WIDTH, generator=generator, requires_grad=True)
    weight = torch.randn(VOCABULARY, WIDTH, generator=generator, requires_grad=True)
    return hidden, labels, weight


def reference(hidden: Any, labels: Any, weight: Any) -> Any:
    """Sum of -log softmax, one position at a time, over plain Python numbers."""
    total, count, correct = 0.0, 0, 0
    for row in range(labels.shape[0]):
        for position in range(1, labels.shape[1]):
            target = int(labels[row, position])
            if target == IGNORE_INDEX:
                continue
            logits = (weight @ hidden[row, position - 1]).tolist()
            peak = max(logits)
            total += math.log(sum(math.exp(logit - peak) for logit in logits)) + peak - logits[target]
            count += 1
            correct += logits.index(peak) == target
    return total, count, correct


def test_sums_are_those_of_the_loop() -> None:
    hidden, labels, weight = make_batch()
    found = completion_loss(hidden, labels, lambda states: states @ weight.T)
    total, count, correct = reference(hidden, labels, weight)
    assert found.loss_sum.item() == pytest.approx(total, rel=1e-6)
    assert found.num_targets.item() == count == 9
    assert found.num_correct.item() == correct


def test_gradients_are_those_of_full_logits() -> None:
    hidden, labels, weight = make_batch()
    completion_loss(hidden, labels, lambda states: states @ weight.T).loss_sum.backward()
    found = hidden.grad.clone(), weight.grad.clone()
    hidden.grad = weight.grad = None
    logits = (hidden @ weight.T)[:, :-1].reshape(-1, VOCABULARY)
    torch.nn.functional.cross_entropy(logits, labels[:, 1:].reshape(-1), ignore_index=-100, reduction="sum").backward()
    assert torch.allclose(found[0], hidden.grad, atol=1e-6)
    assert torch.allclose(found[1], weight.grad, atol=1e-5)
    assert found[0][0, :2].abs().sum() == 0  # the prompt's own positions but the last predict nothing
    assert found[0][0, 2].abs().sum() > 0


@pytest.mark.parametrize("chunk_size", [1, 2, 4, 8, 9, 100])
def test_chunks_change_nothing(chunk_size: Any) -> None:
    whole, chunked = [], []
    for found, size in ((whole, 10_000), (chunked, chunk_size)):
        hidden, labels, weight = make_batch()
        sums = completion_loss(hidden, labels, lambda states, weight=weight: states @ weight.T, chunk_size=size)
        sums.loss_sum.backward()
        found += [sums.loss_sum.detach(), sums.num_targets, sums.num_correct, hidden.grad, weight.grad]
    for one, other in zip(whole, chunked, strict=True):
        assert torch.allclose(one.float(), other.float(), rtol=1e-6, atol=1e-6)


def test_no_more_than_a_chunk_of_logits_exists_at_a_time() -> None:
    hidden, labels, weight = make_batch(lengths=((1, 20), (1, 20)))
    seen = []

    def head(states: Any) -> Any:
        seen.append(states.shape[0])
        return states @ weight.T

    completion_loss(hidden, labels, head, chunk_size=16).loss_sum.backward()
    assert seen[:3] == [16, 16, 8]
    assert sorted(seen[3:]) == [8, 16, 16]  # again, in the backward pass


def test_padding_adds_nothing() -> None:
    """The loss of a padded batch is that of its rows alone."""
    lengths = ((3, 2), (1, 6), (5, 1))
    hidden, labels, weight = make_batch(lengths=lengths)
    batch = completion_loss(hidden, labels, lambda states: states @ weight.T)
    rows = [
        completion_loss(hidden[i : i + 1, :end], labels[i : i + 1, :end], lambda states: states @ weight.T)
        for i, end in enumerate(map(sum, lengths))
    ]
    assert batch.loss_sum.item() == pytest.approx(sum(row.loss_sum.item() for row in rows), rel=1e-6)
    assert batch.num_targets.item() == sum(row.num_targets.item() for row in rows)


def test_labels_are_shifted_by_one() -> None:
    hidden = torch.arange(4.0).reshape(1, 4, 1)
    states, ids = select_targets(hidden, torch.tensor([[-100, -100, 7, 2]]))
    assert states.tolist() == [[1.0], [2.0]]
    assert ids.tolist() == [7, 2]


def test_a_target_in_the_first_position_has_nothing_before_it() -> None:
    _, ids = select_targets(torch.zeros(1, 2, 1), torch.tensor([[5, 6]]))
    assert ids.tolist() == [6]


def test_half_precision_is_summed_in_float32() -> None:
    hidden, labels, weight = make_batch()
    found = completion_loss(hidden.bfloat16(), labels, lambda states: states @ weight.T.bfloat16())
    assert found.loss_sum.dtype == torch.float32
    assert found.loss_sum.item() == pytest.approx(reference(hidden, labels, weight)[0], rel=0.05)


def test_gradients_of_positions_that_are_taken_often_are_the_same_every_time() -> None:
    torch.manual_seed(0)
    positions, weights = torch.randint(0, 40, (300,)), torch.randn(300, 576)
    states = torch.randn(900, 576, requires_grad=True)
    assert torch.equal(select_positions(states, positions), states[positions])
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = [torch.autograd.grad(select_positions(states, positions), states, weights)[0] for _ in range(20)]
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(one, found[0]) for one in found)
