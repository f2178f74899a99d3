"""Examples in docstrings run."""

import doctest

import pa_nn


def test_examples_of_pa_nn():
    failed, attempted = doctest.testmod(pa_nn)
    assert (failed, attempted) == (0, 3)
