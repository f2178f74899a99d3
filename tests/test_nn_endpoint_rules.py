"""Where the weights' endpoints stand: Table 1 for any M, and rules beside it."""

import doctest
from itertools import pairwise

import pytest
import torch

from pa_nn import endpoint_rules
from pa_nn.endpoint_rules import RULES, endpoint_rule, fitted_multiples, uniform_multiples
from pa_nn.levels import fit_levels, level_codes
from pa_nn.weights import endpoint_multiples, gaussian_multiples, weight_codes


def weights(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)) * 0.1 + 0.01


def test_examples_of_the_documentation():
    assert doctest.testmod(endpoint_rules) == (0, 2)


def test_uniform_endpoints_are_table_1_for_eight():
    assert uniform_multiples(8) == endpoint_multiples(8)
    assert uniform_multiples(2) == (-1.0, 1.0)


def test_gaussian_endpoints_are_the_default_but_for_eight():
    assert gaussian_multiples(4) == endpoint_multiples(4)
    # Max, "Quantizing for minimum distortion" (1960), table 1, nine levels.
    assert gaussian_multiples(8)[4:] == (0.222, 0.681, 1.198, 1.866)


@pytest.mark.parametrize("m", [2, 4, 8, 30])
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_gives_ascending_endpoints(rule, m):
    multiples = endpoint_rule(weights(5000), m, rule)
    assert len(multiples) == m
    assert all(low < high for low, high in pairwise(multiples))


def test_fitted_endpoints_cut_between_the_levels_of_least_squared_error():
    weight = weights(32, 9)
    codes, _ = weight_codes(weight, 4, fitted_multiples(weight, 4))
    assert torch.equal(codes, level_codes(weight, fit_levels(weight.double(), 4)))


def test_too_few_weights_keep_the_default():
    assert fitted_multiples(torch.tensor([-1.0, 0.0, 1.0]), 8) is None
    assert fitted_multiples(torch.zeros(4), 2) is None
    assert endpoint_rule(torch.zeros(4), 2, None) is None


def test_numbers_are_taken_as_they_are():
    assert endpoint_rule(weights(9), 2, [-1, 0.5]) == (-1.0, 0.5)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("normal", "one of gaussian, uniform, fitted, not 'normal'"),
        ((-1.0, 1.0, 2.0), r"4 finite ascending numbers, not \[-1.0, 1.0, 2.0\]"),
        ((-1.0, 1.0, 1.0, 2.0), "4 finite ascending"),
        ((-1.0, 0.0, 1.0, float("inf")), "4 finite ascending"),
    ],
)
def test_other_rules_are_refused(rule, message):
    with pytest.raises(ValueError, match=message):
        endpoint_rule(weights(9), 4, rule)
