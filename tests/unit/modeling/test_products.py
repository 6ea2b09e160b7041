"""Products by either library, against float64."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from text2sql_lightning.modeling.cpu import generation_layers, products
from text2sql_lightning.modeling.cpu.generation_layers import onednn_layers
from text2sql_lightning.modeling.cpu.products import add_product, linear, onednn_is_faster, product, round_rows

pytestmark = pytest.mark.unit


@pytest.fixture(params=[True, False], ids=["onednn", "mkl"], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    by_onednn: bool = request.param
    if by_onednn and not torch.backends.mkldnn.is_available():
        pytest.skip("this PyTorch has no oneDNN")
    for module in (products, generation_layers):
        monkeypatch.setattr(module, "onednn_is_faster", lambda: by_onednn)
    return by_onednn


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def assert_exact(found: Tensor, expected: Tensor) -> None:
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


def test_sums_of_nothing() -> None:
    assert_exact(product(draw(3, 0), draw(0, 5)), torch.zeros(3, 5).double())
    base = draw(3, 5)
    assert_exact(add_product(base.clone(), draw(3, 0), draw(0, 5)), base.double())


@pytest.mark.parametrize("rows", [0, 1, 70])
def test_product(rows: int) -> None:
    a, b = draw(rows, 40), draw(40, 24)
    expected = a.double() @ b.double()
    assert_exact(product(a, b), expected)
    assert_exact(product(a, b, out=torch.empty(rows, 24)), expected)
    assert_exact(product(draw(40, rows).t(), draw(24, 40).t()), draw(40, rows).t().double() @ draw(24, 40).t().double())


def test_product_of_columns_of_a_wider_matrix() -> None:
    a, b = draw(30, 50)[:, 5:45], draw(24, 90)[:, 10:50].t()
    assert_exact(product(a, b), a.double() @ b.double())


@pytest.mark.parametrize("scaling", [1.0, 0.25])
def test_add_product(scaling: float) -> None:
    base, a, b = draw(30, 24), draw(30, 40), draw(40, 24)
    expected = base.double() + scaling * (a.double() @ b.double())
    assert_exact(add_product(base.clone(), a, b, scaling), expected)


@pytest.mark.parametrize("bias", [None, draw(24)])
@pytest.mark.parametrize("shape", [(7, 40), (2, 3, 40), (64, 40), (70, 40), (600, 40), (0, 40), (40,)])
def test_linear(bias: Tensor | None, shape: tuple[int, ...]) -> None:
    states, weight = draw(*shape), draw(24, 40)
    expected = states.double() @ weight.double().t() + (0 if bias is None else bias.double())
    with torch.no_grad():
        assert_exact(linear(states, weight, bias), expected)


def test_linear_has_gradients_where_they_are_wanted() -> None:
    states, weight = draw(7, 40).requires_grad_(), draw(24, 40)
    linear(states, weight, None).sum().backward()
    assert states.grad is not None
    assert_exact(states.grad, weight.double().sum(0).expand(7, 40))


@pytest.mark.parametrize(("rows", "expected"), [(0, 0), (1, 64), (64, 64), (65, 128), (1000, 1024)])
def test_onednn_gets_round_numbers_of_rows(library: bool, rows: int, expected: int) -> None:
    device = torch.device("cpu")
    assert round_rows(rows, device, torch.float32) == (expected if library else rows)
    assert round_rows(rows, device, torch.bfloat16) == expected
    assert round_rows(rows, device, torch.float64) == rows
    assert round_rows(rows, torch.device("cuda"), torch.bfloat16) == rows


def test_layers_of_a_model_are_given_back(library: bool) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(40, 24), torch.nn.Linear(24, 8, bias=False), torch.nn.LayerNorm(8))
    model[1].forward = own = lambda states: states[:, :8]
    states = draw(5, 40)
    with torch.no_grad():
        expected = model(states).double()
        with onednn_layers(model):
            assert ("forward" in vars(model[0])) is library
            assert model[1].forward is own
            assert_exact(model(states), expected)
    assert "forward" not in vars(model[0])


def test_other_precisions_stay_what_they_are() -> None:
    a, b = draw(8, 16), draw(16, 8)
    assert product(a.double(), b.double()).dtype == torch.float64
    assert product(a.bfloat16(), b.bfloat16()).dtype == torch.bfloat16
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert linear(a, b.t(), None).dtype == torch.bfloat16


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
    cpuinfo = tmp_path / "cpuinfo"
    if vendor:
        cpuinfo.write_text(f"processor\t: 0\nvendor_id\t: {vendor}\n", encoding="utf-8")
    monkeypatch.setattr(products, "_CPUINFO", cpuinfo)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    monkeypatch.setattr("torch.backends.mkl.is_available", lambda: True)
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: True)
    assert onednn_is_faster.__wrapped__() is faster
