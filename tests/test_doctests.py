"""Examples in docstrings run."""

import doctest

import pa_nn
from pa_nn import scheme


def test_examples_of_pa_nn():
    failed, attempted = doctest.testmod(pa_nn)
    assert (failed, attempted) == (0, 3)


def test_examples_of_scheme():
    failed, attempted = doctest.testmod(scheme)
    assert (failed, attempted) == (0, 2)
