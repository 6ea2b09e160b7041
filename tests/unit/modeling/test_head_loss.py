"""The loss behind a frozen head, against cross entropy in float64 and autograd."""

from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from text2sql_lightning.modeling.loss import FrozenHeadLoss, head_loss

pytestmark = pytest.mark.unit

VOCABULARY, WIDTH = 1000, 16


def model(frozen: bool = True, **settings: Any) -> Any:
    """A Llama of which the output head alone is used."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    made = LlamaForCausalLM(config).requires_grad_(not frozen)
    torch.nn.init.normal_(made.lm_head.weight)
    for name, value in settings.items():
        setattr(made.config, name, value)
    return made


def draw(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(count)
    states = torch.randn(count, WIDTH, generator=generator)
    return states, torch.randint(VOCABULARY, (count,), generator=generator)


def exact(states: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor) -> tuple[float, torch.Tensor, int]:
    """Loss, gradient of three times the loss, and right targets, in float64."""
    states = states.double().requires_grad_()
    logits = states @ weight.detach().double().T
    loss = cross_entropy(logits, targets, reduction="sum")
    (loss * 3).backward()
    assert states.grad is not None
    return loss.item(), states.grad, int((logits.argmax(-1) == targets).sum())


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many targets each call of the fused loss was given."""
    seen: list[int] = []
    inner = FrozenHeadLoss.apply

    def apply(states: Any, *arguments: Any) -> Any:
        seen.append(len(states))
        return inner(states, *arguments)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(FrozenHeadLoss, "apply", apply)
    return seen


@pytest.mark.parametrize("count", [1, 127, 128, 129, 400])
def test_sums_and_gradient_are_those_of_full_logits(count: int, calls: list[int]) -> None:
    made = model()
    states, targets = draw(count)
    targets[0] = (states[0] @ made.lm_head.weight.T).argmax()
    states.requires_grad_()
    found = head_loss(made, states, targets)
    (found.loss_sum * 3).backward()
    loss, gradient, correct = exact(states.detach(), targets, made.lm_head.weight)
    assert calls == [count]
    assert found.loss_sum.item() == pytest.approx(loss, rel=5e-7)
    assert (int(found.num_targets), int(found.num_correct)) == (count, correct)
    assert correct >= 1
    assert states.grad is not None
    assert float((states.grad - gradient).norm() / gradient.norm()) < 1e-6
    assert not found.num_correct.requires_grad


def test_products_are_in_bfloat16_where_autocast_and_the_weight_are(calls: list[int]) -> None:
    made = model()
    states, targets = draw(200)
    loss, gradient, _ = exact(states, targets, made.lm_head.weight.bfloat16())
    made.lm_head.to(torch.bfloat16)
    states.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = head_loss(made, states, targets)
    (found.loss_sum * 3).backward()
    assert calls == [200]
    assert found.loss_sum.dtype == torch.float32
    assert found.loss_sum.item() == pytest.approx(loss, rel=2e-3)
    assert states.grad is not None
    assert states.grad.dtype == torch.float32
    assert float((states.grad - gradient).norm() / gradient.norm()) < 0.02


def test_nothing_of_a_gradient_without_one_wanted(calls: list[int]) -> None:
    states, targets = draw(5)
    with torch.no_grad():
        found = head_loss(model(), states.requires_grad_(), targets)
    assert calls == [5]
    assert not found.loss_sum.requires_grad


def test_without_targets_the_loss_is_nothing() -> None:
    states, targets = draw(0)
    states.requires_grad_()
    found = head_loss(model(), states, targets)
    found.loss_sum.backward()
    assert (found.loss_sum.item(), int(found.num_targets), int(found.num_correct)) == (0.0, 0, 0)
    assert states.grad is not None
    assert states.grad.shape == (0, WIDTH)


@pytest.mark.parametrize(
    ("settings", "scores"),
    [
        ({"final_logit_softcapping": 2.0}, lambda logits: torch.tanh(logits / 2.0) * 2.0),
        ({"logit_scale": 0.25}, lambda logits: logits * 0.25),
        ({"logits_scaling": 8.0}, lambda logits: logits / 8.0),
    ],
)
def test_scores_that_are_more_than_a_product_go_the_usual_way(settings: Any, scores: Any, calls: list[int]) -> None:
    made = model(**settings)
    states, targets = draw(30)
    found = head_loss(made, states, targets)
    expected = cross_entropy(scores(states @ made.lm_head.weight.T), targets, reduction="sum")
    assert calls == []
    assert found.loss_sum.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_head_that_is_trained_gets_its_gradient(calls: list[int]) -> None:
    made = model(frozen=False)
    states, targets = draw(30)
    head_loss(made, states, targets).loss_sum.backward()
    assert calls == []
    assert made.lm_head.weight.grad is not None
    assert made.lm_head.weight.grad.abs().sum() > 0


def test_a_head_whose_call_was_replaced_is_called(calls: list[int]) -> None:
    made = model()
    states, targets = draw(3)
    made.lm_head.forward = lambda states: torch.zeros(len(states), VOCABULARY)
    assert head_loss(made, states, targets).loss_sum.item() == pytest.approx(3 * 6.907755, rel=1e-5)  # log(1000)
    assert calls == []
