"""Activation approximation: Eq. 10-14, 17, 18, and the readings of them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pa_nn import kernels
from pa_nn.activations import (
    PAActivation,
    activation_bases,
    activation_codes,
    approximate_activations,
    lloyd_max,
    quantiles,
    uniform,
)

SEEDED = settings(deadline=None, derandomize=True, max_examples=60)
BETA = torch.tensor([0.3, 0.9, 1.6])
V = torch.tensor([0.2, 0.6, 1.2])
FINITE = st.floats(-4, 4, width=32)


def endpoints(count):
    return (
        st.lists(st.floats(0.0078125, 4, width=32), min_size=count, max_size=count)
        .map(sorted)
        .map(torch.tensor)
    )


@st.composite
def cases(draw):
    n = draw(st.integers(1, 7))
    v = draw(endpoints(n))
    beta = torch.tensor(draw(st.lists(FINITE, min_size=n, max_size=n)))
    values = draw(st.lists(st.one_of(FINITE, st.sampled_from(v.tolist())), min_size=1))
    return torch.tensor(values), beta, v


@SEEDED
@given(cases())
def test_pieces_partition_the_line(case):
    x, _, v = case
    codes = activation_codes(x, v)
    bases = activation_bases(codes, len(v))
    zero = (codes == 0).to(torch.int64)
    assert torch.equal(bases.sum(0) + zero, torch.ones_like(zero))
    # An activation equal to an endpoint has reached it.
    assert codes.tolist() == [sum(a >= end for end in v.tolist()) for a in x.tolist()]


@SEEDED
@given(cases())
def test_approximation_is_the_sum_of_beta_times_base(case):
    x, beta, v = case
    bases = activation_bases(activation_codes(x, v), len(v))
    total = torch.zeros_like(x)
    for b, base in zip(beta, bases, strict=True):
        total += b * base
    assert torch.equal(approximate_activations(x, beta, v), total)


@SEEDED
@given(cases())
def test_kernel_equals_plain_torch(case):
    results = []
    for plain in (False, True):
        x, beta, v = (tensor.clone().requires_grad_() for tensor in case)
        if plain:
            with kernels.plain_torch():
                y = approximate_activations(x, beta, v)
                y.backward(torch.cos(x.detach()))
        else:
            y = approximate_activations(x, beta, v)
            y.backward(torch.cos(x.detach()))
        results.append((y.detach(), x.grad, beta.grad, v.grad))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def gradients(x, beta=BETA, v=V, grad=None, **options):
    x, beta, v = (tensor.clone().requires_grad_() for tensor in (x, beta, v))
    y = approximate_activations(x, beta, v, **options)
    y.backward(torch.ones_like(y) if grad is None else grad)
    return x.grad, beta.grad, v.grad


def test_slopes_of_equation_11():
    # t = 2 v_1 - t_1, 0.4, 0.9, v_3 + 0.5 = 0.0, 0.4, 0.9, 1.7
    x = torch.tensor([-0.1, 0.0001, 0.39, 0.41, 0.89, 0.91, 1.69, 1.71])
    expected = 2 * torch.tensor([0, 0.3, 0.3, 0.6, 0.6, 0.7, 0.7, 0])
    got, _, _ = gradients(x, lambda_a=2.0, lambda_delta=0.5)
    torch.testing.assert_close(got, expected)


def test_first_end_mirrors_t_1_about_v_1():
    # v_1 = 0.5, t_1 = 0.75, so t_0 = 0.25.
    beta, v = torch.tensor([0.5, 1.0]), torch.tensor([0.5, 1.0])
    got, _, _ = gradients(torch.tensor([0.24, 0.26]), beta, v, lambda_a=1.0)
    assert got.tolist() == [0.0, 0.5]


def test_a_single_piece_ends_lambda_delta_from_its_endpoint():
    beta, v = torch.tensor([1.0]), torch.tensor([0.5])
    x = torch.tensor([0.29, 0.31, 0.69, 0.71])
    got, _, _ = gradients(x, beta, v, lambda_a=1.0, lambda_delta=0.2)
    assert got.tolist() == [0, 1, 1, 0]


def test_beta_gradient_is_the_plain_sum_over_its_piece():
    x = torch.tensor([0.1, 0.2, 0.5, 0.7, 3.0, 5.0])
    grad = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    _, got, _ = gradients(x, grad=grad)
    assert got.tolist() == [6.0, 8.0, 48.0]


def test_endpoint_gradient_is_the_negative_sum_over_its_piece():
    x = torch.tensor([0.1, 0.3, 0.5, 0.8, 1.0])  # t = 0, 0.4, 0.9, 1.7
    grad = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0])
    _, _, got = gradients(x, grad=grad, lambda_a=2.0, lambda_delta=0.5)
    torch.testing.assert_close(got, -2 * torch.tensor([0.3 * 3, 0.6 * 12, 0.7 * 16]))
    _, _, printed = gradients(x, grad=grad, lambda_a=2.0, lambda_delta=0.5, eq14_sign=1)
    assert torch.equal(printed, -got)


def test_sign_and_size_of_equation_14_against_a_finite_difference():
    # Evenly spread activations: the mean output is a smooth function of every endpoint.
    x = (torch.arange(400_000) + 0.5) / 200_000
    _, _, got = gradients(x, grad=torch.full_like(x, 1 / len(x)))
    for i in range(3):
        low, high = V.clone(), V.clone()
        low[i] -= 0.01
        high[i] += 0.01
        outputs = [approximate_activations(x, BETA, v).double().mean() for v in (low, high)]
        difference = float(outputs[1] - outputs[0]) / 0.02
        assert difference < 0
        assert float(got[i]) == pytest.approx(difference, rel=1e-3)


def test_exact_zeros_do_not_pull_at_the_first_endpoint():
    beta, v = torch.tensor([0.2, 2.0]), torch.tensor([0.1, 1.1])  # t_0 = -0.4
    got_x, _, got_v = gradients(torch.zeros(1000), beta, v)
    assert torch.equal(got_x, torch.zeros(1000))
    assert torch.equal(got_v, torch.zeros(2))
    got_x, _, got_v = gradients(torch.tensor([-0.05]), beta, v)
    assert got_x[0] > 0 > got_v[0]


def test_nan_stays_nan():
    y = approximate_activations(torch.tensor([math.nan, 1.0]), BETA, V)
    assert y[0].isnan()
    assert y[1] == BETA[1]


def test_lloyd_max_finds_separate_groups():
    values = torch.tensor([0.0] * 50 + [1.0] * 20 + [3.0] * 10 + [-2.0] * 30)
    beta, v = lloyd_max(values, 2)
    assert beta.tolist() == [1.0, 3.0]
    assert v.tolist() == [0.5, 2.0]


def test_lloyd_max_lowers_the_error_of_even_levels():
    x = torch.randn(20_000, generator=torch.Generator().manual_seed(1)).relu()
    beta, v = lloyd_max(x, 5)
    even = torch.linspace(0.4, 2.0, 5)
    errors = [
        float(((approximate_activations(x, b, e) - x) ** 2).mean())
        for b, e in ((beta, v), (even, even - 0.2))
    ]
    assert errors[0] < errors[1]
    assert v.tolist() == sorted(v.tolist())


@pytest.mark.parametrize("values", [torch.zeros(9), torch.full((9,), -1.0), torch.zeros(0)])
def test_lloyd_max_without_positive_values_is_that_of_a_gaussian(values):
    beta, v = lloyd_max(values, 3)
    gaussian = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    expected, _ = lloyd_max(gaussian, 3)
    torch.testing.assert_close(beta, expected, rtol=0.03, atol=0)
    assert (v > 0).all()


def test_lloyd_max_of_fewer_values_than_levels():
    beta, v = lloyd_max(torch.tensor([0.0, 2.0]), 4)
    assert beta[-1] == 2.0
    assert v.tolist() == sorted(v.tolist())
    assert float(approximate_activations(torch.tensor([2.0]), beta, v)) == 2.0


def test_quantiles_fill_the_pieces_evenly():
    beta, v = quantiles(torch.tensor([-1.0, 0, 0, 1, 2, 3, 4, 5, 6]), 2)
    assert (beta.tolist(), v.tolist()) == ([3.5, 5.5], [3.0, 5.0])


def test_uniform_levels_are_even_and_of_least_error():
    values = torch.arange(1, 1001) / 1000
    beta, v = uniform(values, 4)
    step = float(beta[0])
    assert beta.tolist() == pytest.approx([step, 2 * step, 3 * step, 4 * step])
    assert v.tolist() == pytest.approx([0.5 * step, 1.5 * step, 2.5 * step, 3.5 * step])
    # Nine half steps reach 1: the step of equal errors everywhere, to one candidate's distance.
    assert step == pytest.approx(1 / 4.5, abs=0.25 / 200)


@pytest.mark.parametrize("rule", [quantiles, uniform])
@pytest.mark.parametrize("values", [[], [-1.0, 0.0]])
def test_starts_without_positive_values_are_those_of_a_gaussian(rule, values):
    beta, v = rule(torch.tensor(values), 3)
    assert 0.1 < v[0] < beta[0] < beta[-1] < 3
    assert torch.equal(beta, beta.sort().values)


@pytest.mark.parametrize("rule", [quantiles, uniform])
def test_starts_from_fewer_values_than_levels(rule):
    beta, v = rule(torch.tensor([0.5]), 4)
    assert torch.isfinite(beta).all()
    assert (v.diff() >= 0).all()


def test_a_layer_starts_by_the_rule_it_is_given():
    activation = PAActivation(2)
    activation.initialise(torch.tensor([1.0, 2, 3, 4, 5, 6]), "quantiles")
    assert activation.beta.tolist() == [3.5, 5.5]


def test_projection_sorts_and_keeps_endpoints_positive():
    activation = PAActivation(4)
    with torch.no_grad():
        activation.v.copy_(torch.tensor([0.7, -0.3, 0.0, 0.2]))
    activation.project_()
    assert activation.v.tolist() == pytest.approx([1e-3, 1e-3, 0.2, 0.7])


def test_bfloat16_gives_bfloat16():
    x = torch.randn(64, generator=torch.Generator().manual_seed(2)).bfloat16().requires_grad_()
    y = approximate_activations(x, BETA, V)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == torch.bfloat16
    assert torch.equal(y, approximate_activations(x.float(), BETA, V).bfloat16())


@pytest.mark.parametrize("n", [0, -1, 256])
def test_n_out_of_range_is_refused(n):
    with pytest.raises(ValueError, match=rf"N must be from 1 to 255, not {n}"):
        PAActivation(n)


@pytest.mark.parametrize("n", [1.5, True, "5"])
def test_n_of_another_type_is_refused(n):
    with pytest.raises(TypeError, match="N must be an integer"):
        PAActivation(n)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lambda_a": 0.0}, "lambda_a must be positive and finite, or None, not 0.0"),
        ({"lambda_delta": math.inf}, "lambda_delta must be .* not inf"),
        ({"eq14_sign": 0}, "eq14_sign must be -1 or 1, not 0"),
    ],
)
def test_bad_factors_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PAActivation(3, **options)


def test_a_start_belongs_to_its_module_and_to_the_device_it_is_built_on():
    one, other = PAActivation(3), PAActivation(3)
    with torch.no_grad():
        one.beta.zero_()
    assert torch.equal(other.beta, PAActivation(3).beta)
    assert other.beta.abs().min() > 0
    with torch.device("meta"):
        assert PAActivation(7).v.is_meta
