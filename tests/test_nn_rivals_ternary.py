"""Ternary weights by hand."""

import torch

from pa_nn.rivals.ternary import TernaryWeights


def test_weights_and_their_gradient():
    # Mean size 2, so Delta is 1.4; 2, 3 and 4 lie beyond, their mean is 3.
    weight = torch.tensor([[2.0, -3.0, 1.0], [4.0, -1.0, -1.0]], requires_grad=True)
    approximated = TernaryWeights()(weight)
    assert approximated.tolist() == [[3, -3, 0], [3, 0, 0]]
    approximated.backward(torch.full((2, 3), 5.0))
    assert weight.grad.tolist() == [[5, 5, 5], [5, 5, 5]]


def test_weights_that_are_all_zero():
    assert TernaryWeights()(torch.zeros(2, 2)).tolist() == [[0, 0], [0, 0]]
