"""Frozen linear layers by either library, against float64."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from text2sql_lightning.modeling.cpu import accelerate, accelerated_generation
from text2sql_lightning.modeling.cpu import linear as cpu_linear
from text2sql_lightning.modeling.cpu.linear import dense_weight, linear

pytestmark = pytest.mark.unit


@pytest.fixture(params=[True, False], ids=["onednn", "mkl"], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    by_onednn: bool = request.param
    if by_onednn and not torch.backends.mkldnn.is_available():
        pytest.skip("this PyTorch has no oneDNN")
    monkeypatch.setattr(cpu_linear, "_onednn_is_faster", lambda: by_onednn)
    return by_onednn


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def assert_exact(found: Tensor | None, expected: Tensor) -> None:
    assert found is not None
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.detach().double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bias", [None, draw(24)])
@pytest.mark.parametrize("shape", [(7, 40), (2, 3, 40), (64, 40), (70, 40), (600, 40), (0, 40), (40,)])
def test_products_and_gradients(bias: Tensor | None, shape: tuple[int, ...]) -> None:
    states, weight = draw(*shape).requires_grad_(), draw(24, 40)
    found = linear(states, weight, bias)
    assert_exact(found, states.detach().double() @ weight.double().t() + (0 if bias is None else bias.double()))
    gradient = draw(*found.shape)
    (found * gradient).sum().backward()
    assert_exact(states.grad, gradient.double() @ weight.double())
    with torch.no_grad():
        assert not linear(states, weight, bias).requires_grad


def test_a_transposed_weight_and_columns_of_a_wider_one() -> None:
    states, wide = draw(30, 50)[:, 5:45], draw(40, 90)
    assert_exact(linear(states, wide[:, 10:34].t(), None), states.double() @ wide[:, 10:34].double())
    assert_exact(linear(draw(3, 0), draw(5, 0), None), torch.zeros(3, 5).double())


def test_a_weight_that_is_trained_gets_its_gradient() -> None:
    states, weight = draw(7, 40), draw(24, 40).requires_grad_()
    linear(states, weight, None).sum().backward()
    assert_exact(weight.grad, states.double().sum(0).expand(24, 40))


def test_other_precisions_stay_what_they_are() -> None:
    states, weight = draw(8, 16), draw(8, 16)
    assert linear(states.double(), weight.double(), None).dtype == torch.float64
    assert linear(states.bfloat16(), weight.bfloat16(), None).dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(states, weight, None).dtype == torch.bfloat16


def test_frozen_layers_alone_are_accelerated(library: bool) -> None:
    model = torch.nn.Sequential(
        torch.nn.Linear(40, 24), torch.nn.Linear(24, 24), torch.nn.Linear(24, 8, bias=False), torch.nn.LayerNorm(8)
    )
    for layer in (model[0], model[2]):
        layer.requires_grad_(False)
    model[2].forward = own = lambda states: states[:, :8]
    states = draw(5, 40)
    expected = model(states).double()
    with accelerated_generation(model):
        assert_exact(model(states), expected)
    assert "forward" not in vars(model[0])
    accelerate(model)
    assert ("forward" in vars(model[0])) is library
    assert "forward" not in vars(model[1])
    assert model[2].forward is own
    assert_exact(model(states), expected)
    weight, bias = dense_weight(model[0]) or (None, None)
    assert (weight is model[0].weight, bias is model[0].bias) == (True, True)
    assert dense_weight(model[1]) is dense_weight(model[2]) is None


@pytest.mark.parametrize(
    ("capability", "vendor", "faster"),
    [
        ("AVX512", "AuthenticAMD", True),
        ("AVX512", "GenuineIntel", False),
        ("AVX2", "AuthenticAMD", False),
        ("AVX512", None, False),
    ],
)
def test_onednn_is_asked_where_mkl_leaves_avx512_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capability: str, vendor: str | None, faster: bool
) -> None:
    monkeypatch.undo()
    cpuinfo = tmp_path / "cpuinfo"
    if vendor:
        cpuinfo.write_text(f"processor\t: 0\nvendor_id\t: {vendor}\n", encoding="utf-8")
    monkeypatch.setattr(cpu_linear, "_CPUINFO", cpuinfo)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    monkeypatch.setattr("torch.backends.mkl.is_available", lambda: True)
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: True)
    assert cpu_linear._onednn_is_faster.__wrapped__() is faster
