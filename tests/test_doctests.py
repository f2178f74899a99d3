"""Examples in docstrings run."""

import doctest

import pa_nn
from experiments import accuracy_entries, luts
from pa_nn import distributed, scheme


def test_examples_of_pa_nn():
    failed, attempted = doctest.testmod(pa_nn)
    assert (failed, attempted) == (0, 3)


def test_examples_of_scheme():
    failed, attempted = doctest.testmod(scheme)
    assert (failed, attempted) == (0, 2)


def test_examples_of_distributed():
    failed, attempted = doctest.testmod(distributed)
    assert (failed, attempted) == (0, 1)


def test_examples_of_experiments():
    assert doctest.testmod(luts) == (0, 1)
    assert doctest.testmod(accuracy_entries) == (0, 1)
