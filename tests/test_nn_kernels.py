"""Compiled passes equal plain PyTorch to the last bit."""

import math

import pytest
import torch

from pa_nn import kernels

LAYOUTS = ("contiguous", "channels_last", "strided")


def tensor(layout, dtype, *, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(3, 17, 29, 13, generator=generator).to(dtype)
    if layout == "channels_last":
        return x.contiguous(memory_format=torch.channels_last)
    return x[:, :, ::2] if layout == "strided" else x


def both(function, *arguments):
    fast = function(*arguments)
    with kernels.plain_torch():
        plain = function(*arguments)
    return zip(fast, plain, strict=True)


def same(a, b):
    return torch.equal(a.nan_to_num(7.0), b.nan_to_num(7.0)) and torch.equal(a.isnan(), b.isnan())


def test_a_compiler_is_at_hand():
    assert kernels.compiled()
    with kernels.plain_torch():
        assert not kernels.compiled()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [4, 16, 17, 256, 300])
def test_look_up(count, layout, dtype):
    x = tensor(layout, dtype)
    ends = torch.linspace(-1, 2, count - 1)
    levels = torch.linspace(0, 1, count)
    x[0, 0, 0, :5] = torch.tensor([math.nan, 0.0, -0.0, float(ends[0]), math.inf])
    for fast, plain in both(kernels.look_up, x, ends, levels):
        assert same(fast, plain)
        assert fast.dtype == plain.dtype


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [4, 16, 17, 256, 300])
def test_back_propagate(count, layout, dtype):
    x = tensor(layout, dtype)
    _, intervals = kernels.look_up(x, torch.linspace(-1, 2, count - 1), torch.zeros(count))
    grad = tensor("contiguous" if layout == "strided" else layout, dtype, seed=1)
    grad = grad[:, :, ::2].contiguous() if layout == "strided" else grad
    slopes = torch.linspace(-1, 1, count)
    for fast, plain in both(kernels.back_propagate, grad, intervals, slopes):
        assert torch.equal(fast, plain)


@pytest.mark.parametrize("threads", [1, 2])
def test_sums_do_not_depend_on_threads(threads):
    grad = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    intervals = torch.arange(100_000).remainder(7).to(torch.uint8)
    before = torch.get_num_threads()
    reference = kernels.back_propagate(grad, intervals, torch.ones(7))[1]
    try:
        torch.set_num_threads(threads)
        assert torch.equal(kernels.back_propagate(grad, intervals, torch.ones(7))[1], reference)
    finally:
        torch.set_num_threads(before)


def test_sums_are_those_of_each_interval():
    grad = torch.arange(10.0)
    intervals = torch.tensor([0, 1, 1, 2, 2, 2, 0, 0, 1, 2], dtype=torch.uint8)
    out, sums = kernels.back_propagate(grad, intervals, torch.tensor([0.0, 2.0, -1.0]))
    assert sums.tolist() == [13.0, 11.0, 21.0]
    assert out.tolist() == [0, 2, 4, -3, -4, -5, 0, 0, 16, -9]


def test_no_elements():
    empty = torch.zeros(0, 3)
    out, intervals = kernels.look_up(empty, torch.zeros(1), torch.zeros(2))
    assert out.shape == (0, 3)
    assert kernels.back_propagate(empty, intervals, torch.zeros(2))[1].tolist() == [0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layouts", [(a, b) for a in LAYOUTS[:2] for b in LAYOUTS[:2]])
def test_inner(layouts, dtype):
    one, other = (tensor(layout, dtype, seed=k) for k, layout in enumerate(layouts))
    expected = (one.double() * other.double()).sum()
    assert kernels.inner(one, other).dtype == torch.float32
    assert torch.allclose(kernels.inner(one, other).double(), expected, rtol=1e-3)
    strided = (one[:, :, ::2], other[:, :, ::2])
    expected = (strided[0].double() * strided[1].double()).sum()
    assert torch.allclose(kernels.inner(*strided).double(), expected, rtol=1e-3)


def test_mean_and_std():
    values = torch.randn(10_007, generator=torch.Generator().manual_seed(0))
    mean, std = kernels.mean_and_std(values)
    with kernels.plain_torch():
        assert kernels.mean_and_std(values) == (mean, std)
    assert mean == pytest.approx(float(values.double().mean()), abs=1e-15)
    assert std == pytest.approx(float(values.double().std(correction=0)), rel=1e-12)


@pytest.mark.parametrize("count", [1, 7, 507])
def test_split(count):
    values = torch.randn(9000, generator=torch.Generator().manual_seed(0))
    ends = sorted(values[:count].double().tolist())
    intervals, sums = kernels.split(values, ends)
    with kernels.plain_torch():
        plain = kernels.split(values, ends)
    assert torch.equal(intervals, plain[0])
    assert sums == plain[1]


@pytest.fixture
def fresh():
    """Forget which library was loaded, before and after."""
    kernels._library.cache_clear()
    yield
    kernels._library.cache_clear()


@pytest.mark.usefixtures("fresh")
def test_without_a_compiler_plain_torch_serves_with_a_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("PA_NN_CACHE", str(tmp_path))
    with pytest.warns(RuntimeWarning, match=r"could not be compiled.*no C\+\+ compiler found"):
        out, _ = kernels.look_up(torch.ones(2), torch.tensor([0.5]), torch.tensor([0.0, 3.0]))
    assert out.tolist() == [3.0, 3.0]
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("fresh")
def test_environment_chooses_plain_torch(monkeypatch):
    monkeypatch.setenv("PA_NN_KERNELS", "torch")
    assert not kernels.compiled()
