"""Curves of beats."""

import numpy as np

from pa_hdl.nodes.timing import EVER, one_per_cycle, when_free


def test_one_per_cycle():
    earliest = np.array([0, 0, 0, 7, 5, 20], np.int64)
    assert one_per_cycle(earliest).tolist() == [0, 1, 2, 7, 8, 20]


def test_a_place_is_free_one_cycle_after_its_beat_has_left():
    left = np.array([3, 5, 9, 10], np.int64)
    assert when_free(left, 2).tolist() == [EVER, EVER, 4, 6]
    assert when_free(left, 5).tolist() == [EVER] * 4
