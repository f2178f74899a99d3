"""Unit vectors of the dot products, and of their parts, in the form of each target."""

import random
from typing import Any

from pa_hdl.cells.popcounts import LANES
from pa_hdl.popcount import AndPopcount
from sim.engine_bench import derived_seed
from sim.unit import Unit, get, put

__all__ = ["DATAPATH_UNITS", "datapath_unit"]

_COUNT = 120

_FORMS = {target: lane for target, lane in LANES.items() if lane is not AndPopcount}
"""Lanes of which the plain one is no form."""

DATAPATH_UNITS = tuple(f"{target}_lane" for target in _FORMS)
"""Names of all of them."""


def datapath_unit(name: str, seed: int) -> Unit:
    """The one of that name, with seeded vectors."""
    rng = random.Random(derived_seed(seed, name))
    target = name.removesuffix("_lane")
    return _lane(name, target, rng)


def _lane(name: str, target: str, rng: random.Random) -> Unit:
    bits = 37
    dut: Any = _FORMS[target](bits=bits)
    ends = [0, (1 << bits) - 1]
    acts, weights = ([*ends, *(rng.getrandbits(bits) for _ in range(_COUNT))] for _ in range(2))
    counts = [(a & w).bit_count() for a, w in zip(acts, weights, strict=True)]
    return Unit(
        name=name,
        component=dut,
        puts=[put({"act": acts, "weight": weights})],
        gets=[get({"o": counts}, delay=dut.latency)],
        target=target,
    )
