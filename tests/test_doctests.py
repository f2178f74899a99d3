"""Examples in docstrings run."""

import doctest

import pa_nn
from pa_nn import schemes


def test_examples_of_pa_nn():
    failed, attempted = doctest.testmod(pa_nn)
    assert (failed, attempted) == (0, 3)


def test_examples_of_schemes():
    failed, attempted = doctest.testmod(schemes)
    assert (failed, attempted) == (0, 2)
