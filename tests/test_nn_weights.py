"""Weight approximation: Eq. 6-9, 15, 16, Table 1, and the readings of them."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pa_nn import kernels
from pa_nn.weights import (
    approximate_weights,
    endpoint_multiples,
    endpoints,
    weight_bases,
    weight_codes,
)

SEEDED = settings(deadline=None, derandomize=True, max_examples=60)
EVEN = st.sampled_from([2, 4, 6, 8, 16])
FINITE = st.floats(-8, 8, width=32)
TENSORS = st.lists(FINITE, min_size=1, max_size=60).map(torch.tensor)


def random_weights(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator) * 0.1 + 0.01


def test_table_1_as_printed():
    assert endpoint_multiples(8) == (-1.5, -1.0, -0.5, -0.25, 0.25, 0.5, 1.0, 1.5)


def test_other_endpoints_are_lloyd_max_of_a_gaussian():
    assert endpoint_multiples(2) == (-0.612, 0.612)
    assert endpoint_multiples(4) == (-1.244, -0.382, 0.382, 1.244)
    assert endpoint_multiples(6)[3:] == (0.28, 0.874, 1.611)


@pytest.mark.parametrize("m", range(2, 256, 2))
def test_endpoints_ascend_and_are_symmetric(m):
    multiples = endpoint_multiples(m)
    assert len(multiples) == m
    assert all(low < high for low, high in pairwise(multiples))
    assert multiples == tuple(-c for c in reversed(multiples))


def test_endpoints_use_the_mean_and_the_population_deviation():
    weight = torch.tensor([0.0, 2.0, 4.0, 6.0])
    std = math.sqrt(5.0)
    assert endpoints(weight, 2) == [3 - 0.612 * std, 3 + 0.612 * std]


@SEEDED
@given(TENSORS, EVEN)
def test_pieces_partition_the_line(weight, m):
    codes, alpha = weight_codes(weight, m)
    bases = weight_bases(codes, m)
    zero = (codes == 0).to(torch.int64)
    assert torch.equal(bases.sum(0) + zero, torch.ones_like(zero))
    assert len(alpha) == m


@SEEDED
@given(TENSORS, EVEN)
def test_codes_follow_the_endpoints(weight, m):
    u = endpoints(weight, m)
    codes, _ = weight_codes(weight, m)
    for value, code in zip(weight.tolist(), codes.tolist(), strict=True):
        reached = sum(value >= end for end in u)
        assert code == (reached + 1 if reached < m // 2 else 0 if reached == m // 2 else reached)


def test_a_weight_on_an_endpoint_belongs_to_the_upper_piece():
    # Mean 0 and deviation 1, so that Table 1 gives the endpoints themselves.
    weight = torch.tensor([-1.5, -1.0, -0.5, 0.5, 1.0, 1.5, -0.25, 0.25])
    rest = math.sqrt((16 - float((weight**2).sum())) / 8)
    weight = torch.cat([weight, torch.tensor([rest] * 4 + [-rest] * 4)]).double()
    std = float(weight.std(correction=0))
    assert endpoints(weight, 8)[5] == pytest.approx(0.5)
    on = torch.tensor(endpoints(weight, 8), dtype=torch.float64)
    u = on.tolist()
    codes = [sum(value >= end for end in u) for value in u]
    assert codes == list(range(1, 9))
    assert std == pytest.approx(1)


@SEEDED
@given(TENSORS, EVEN)
def test_approximation_is_the_sum_of_alpha_times_base(weight, m):
    weight = weight.double()
    codes, alpha = weight_codes(weight, m)
    table = torch.tensor([0.0, *alpha], dtype=torch.float64)
    total = torch.zeros_like(weight)
    for a, base in zip(alpha, weight_bases(codes, m), strict=True):
        total += a * base.double()
    assert torch.equal(total, table[codes.long()])


@pytest.mark.parametrize("m", [2, 4, 8, 12])
def test_forward_equals_the_exported_codes(m):
    weight = random_weights(16, 8, 3, 3)
    codes, alpha = weight_codes(weight, m)
    table = torch.tensor([0.0, *alpha]).float()
    torch.testing.assert_close(approximate_weights(weight, m), table[codes.long()])


def test_alpha_is_the_mean_of_its_piece():
    weight = random_weights(500)
    codes, alpha = weight_codes(weight, 4)
    for i, a in enumerate(alpha, 1):
        members = weight[codes == i].double().tolist()
        assert a == math.fsum(members) / len(members)


def test_alpha_of_an_empty_piece_is_zero():
    _, alpha = weight_codes(torch.tensor([-1.0, 1.0]), 8)
    assert alpha == [0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def test_codes_count_negative_pieces_from_the_lowest():
    weight = torch.linspace(-1, 1, 101)
    codes, alpha = weight_codes(weight, 4)
    assert alpha == sorted(alpha)
    assert codes[0] == 1
    assert codes[50] == 0
    assert codes[-1] == 4


def slopes_of(weight, m, lambda_w):
    weight = weight.clone().requires_grad_()
    approximate_weights(weight, m, lambda_w=lambda_w).sum().backward()
    return weight.grad


@pytest.mark.parametrize("m", [2, 4, 8])
def test_slopes_of_equation_8(m):
    weight = random_weights(2000)
    _, alpha = weight_codes(weight, m)
    u = endpoints(weight, m)
    s = [(low + high) / 2 for low, high in pairwise(u)]
    levels = [*alpha[: m // 2], 0.0, *alpha[m // 2 :]]
    rise = torch.tensor([b - a for a, b in pairwise(levels)])
    region = torch.bucketize(weight.double(), torch.tensor(s).double(), right=True)
    torch.testing.assert_close(slopes_of(weight, m, 3.0), 3 * rise[region])


def test_slopes_for_two_pieces_lead_to_the_zero_piece():
    weight = random_weights(500)
    _, alpha = weight_codes(weight, 2)
    slopes = slopes_of(weight, 2, 1.0)
    middle = sum(endpoints(weight, 2)) / 2
    torch.testing.assert_close(slopes[weight < middle].unique(), torch.tensor([-alpha[0]]))
    torch.testing.assert_close(slopes[weight > middle].unique(), torch.tensor([alpha[1]]))


def test_slopes_by_width_do_not_depend_on_scale():
    weight = random_weights(500)
    torch.testing.assert_close(slopes_of(weight, 4, None), slopes_of(weight * 64, 4, None))


def test_an_empty_piece_leaves_no_negative_slope():
    assert (slopes_of(torch.tensor([-1.0, -0.9, 0.9, 1.0]), 8, 1.0) >= 0).all()


def test_constant_weights_have_no_slope():
    weight = torch.full((5,), 0.5)
    assert torch.equal(approximate_weights(weight, 4), weight)
    assert torch.equal(slopes_of(weight, 4, None), torch.zeros(5))


@pytest.mark.parametrize("m", [2, 8, 254])
def test_kernel_equals_plain_torch(m):
    weight = random_weights(7, 5, 3, 3)
    fast = approximate_weights(weight, m), slopes_of(weight, m, None)
    with kernels.plain_torch():
        plain = approximate_weights(weight, m), slopes_of(weight, m, None)
    assert all(torch.equal(a, b) for a, b in zip(fast, plain, strict=True))


@pytest.mark.parametrize("m", [3, 0, -2, 1, 256])
def test_odd_or_absurd_m_is_refused(m):
    with pytest.raises(ValueError, match=rf"even number from 2 to 254.*not {m}"):
        approximate_weights(torch.ones(3), m)


@pytest.mark.parametrize("m", [2.0, True, "4", None])
def test_m_of_another_type_is_refused(m):
    with pytest.raises(TypeError, match="M must be an integer"):
        endpoint_multiples(m)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match=f"finite, not {bad}"):
        weight_codes(torch.tensor([1.0, bad]), 4)


def test_weights_that_are_not_finite_show_in_training():
    assert approximate_weights(torch.tensor([1.0, math.nan]), 4).isnan().all()


def test_weights_of_another_type_are_refused():
    with pytest.raises(TypeError, match="floating point"):
        endpoints(torch.tensor([1, 2]), 2)
    with pytest.raises(ValueError, match="not be empty"):
        endpoints(torch.zeros(0, 3), 2)
