"""Curves of beats."""

import numpy as np

from pa_hdl.nodes.timing import one_per_cycle


def test_one_per_cycle():
    earliest = np.array([0, 0, 0, 7, 5, 20], np.int64)
    assert one_per_cycle(earliest).tolist() == [0, 1, 2, 7, 8, 20]
