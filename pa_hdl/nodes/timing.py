"""Arrival and departure curves: in which cycle each beat of a stream is transferred.

A curve is an int64 array, one entry a beat, ascending. Everything is exact as long as the streams
that a node feeds are always ready; what holds that up in a network are FIFOs of the right depth.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["EVER", "Curve", "Passage", "one_per_cycle", "when_free"]

Curve = NDArray[np.int64]

EVER = np.iinfo(np.int64).min // 4
"""Earlier than any cycle, and still far from overflow."""


@dataclass(frozen=True, kw_only=True)
class Passage:
    """What a node does with beats offered to it.

    Parameters
    ----------
    accepted : tuple of curves
        The cycle in which each beat of each input is transferred.
    departed : tuple of curves
        The same for each output.
    """

    accepted: tuple[Curve, ...]
    departed: tuple[Curve, ...]


def one_per_cycle(earliest: Curve) -> Curve:
    """The first cycles, at most one beat in each, that are not before the given ones."""
    beat = np.arange(len(earliest), dtype=np.int64)
    return np.maximum.accumulate(earliest - beat) + beat


def when_free(left: Curve, places: int) -> Curve:
    """The first cycle in which each beat finds one of so many places, given when beats leave.

    A place can be taken in the cycle after its beat has left; the first beats find all free.
    """
    free = np.full(len(left), EVER, np.int64)
    free[places:] = left[:-places] + 1
    return free
