"""The two halves of a model, and what architectures do between them."""

import types
from typing import Any

import pytest
import torch

from text2sql_lightning.errors import ModelError
from text2sql_lightning.modeling.decoder import decoder_of, project

pytestmark = pytest.mark.unit


class Model:
    """The little of a causal language model that is asked for."""

    def __init__(self, **config: float) -> None:
        self.decoder = torch.nn.Linear(2, 2)
        self.head = torch.nn.Linear(2, 3, bias=False)
        self.config = types.SimpleNamespace(**config)

    def get_decoder(self) -> torch.nn.Module:
        return self.decoder

    def get_output_embeddings(self) -> torch.nn.Module:
        return self.head


def test_decoder_of_a_model_and_of_a_peft_model() -> None:
    model = Model()
    assert decoder_of(model) is model.decoder
    wrapped = types.SimpleNamespace(peft_config={}, get_base_model=lambda: model)
    assert decoder_of(wrapped) is model.decoder


def test_model_without_a_decoder() -> None:
    with pytest.raises(ModelError, match=r"SimpleNamespace is no decoder with an output head"):
        decoder_of(types.SimpleNamespace())


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, lambda logits: logits),
        ({"logit_scale": 0.5}, lambda logits: logits * 0.5),
        ({"logits_scaling": 4.0}, lambda logits: logits / 4.0),
        ({"final_logit_softcapping": 30.0}, lambda logits: 30.0 * torch.tanh(logits / 30.0)),
        ({"final_logit_softcapping": None}, lambda logits: logits),
    ],
)
def test_logits_are_those_of_the_architecture(config: Any, expected: Any) -> None:
    model, hidden = Model(**config), torch.tensor([[1.0, -2.0], [30.0, 4.0]])
    assert torch.allclose(project(model, hidden), expected(model.head(hidden)))


def test_hidden_states_take_the_type_of_the_head() -> None:
    model = Model()
    model.head = model.head.bfloat16()
    assert project(model, torch.ones(1, 2)).dtype == torch.bfloat16
