"""Unit vectors of the dot products, and of their lanes, in the form of each target."""

import random
from dataclasses import replace
from typing import Any

import numpy as np

from pa_hdl import dot
from pa_hdl.cells.popcounts import LANES
from pa_hdl.config import TARGETS, EngineConfig
from pa_hdl.parameters import LayerParameters, weight_folds
from pa_hdl.popcount import AndPopcount
from sim.engine_bench import derived_seed
from sim.unit import Unit, get, lanes, put

__all__ = ["DATAPATH_UNITS", "datapath_unit"]

_COUNT = 120

_LANES = {f"{target}_lane": target for target, lane in LANES.items() if lane is not AndPopcount}
"""Lanes of which the plain one is no form."""

_DOTS = {
    f"{target}_{datapath}": (datapath, target)
    for datapath in dot.DATAPATHS
    for target in TARGETS
    # The plain one has a unit of its own; there are no cells of the iCE40.
    if datapath != "popcount" and target != "ice40"
}

DATAPATH_UNITS = (*_LANES, *_DOTS)
"""Names of all of them."""


def datapath_unit(name: str, seed: int) -> Unit:
    """The one of that name, with seeded vectors."""
    rng = random.Random(derived_seed(seed, name))
    if name in _LANES:
        return _lane(name, _LANES[name], rng)
    return _dot(name, *_DOTS[name], rng)


def _lane(name: str, target: str, rng: random.Random) -> Unit:
    bits = 37
    dut: Any = LANES[target](bits=bits)
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


def _dot(name: str, datapath: str, target: str, rng: random.Random) -> Unit:
    """All folds of random pixels, in the order in which an engine takes them."""
    config = EngineConfig(
        in_channels=13,
        out_channels=3,
        height=1,
        width=1,
        kernel=(1, 1),
        pad=(0, 0, 0, 0),
        m=4,
        n=5,
        simd=7,
        pe=2,
        datapath=datapath,
        target=target,
        loadable=False,
    )
    layer = LayerParameters.seeded(config, rng.getrandbits(32))
    lowest, highest = layer.acc_range()
    config = replace(config, acc_min=lowest, acc_max=highest)
    codes = weight_folds(config, layer)
    words = dot.DATAPATHS[datapath].weight_words(config, layer)
    total, each = config.folds_per_pixel, config.folds_per_output
    folds = list(range(total)) * -(-_COUNT // total)
    acts = [[rng.randint(0, config.n) for _ in range(config.simd)] for _ in folds]
    products = [
        layer.phi[codes[fold], np.array(act)].sum(axis=1)
        for fold, act in zip(folds, acts, strict=True)
    ]
    sums = np.array(products).reshape(-1, each, config.pe).sum(axis=1)
    items = {
        "act": [lanes(act, config.code_bits) for act in acts],
        "first": [int(fold % each == 0) for fold in folds],
        "last": [int(fold % each == each - 1) for fold in folds],
    }
    if words is None:
        items["fold"] = folds
    else:
        items["weight"] = [words[fold] for fold in folds]
    return Unit(
        name=name,
        component=dot.create(config, layer),
        puts=[put(items, valid=["valid"])],
        gets=[get({"acc": [lanes(acc, config.acc_bits) for acc in sums]}, valid=["o_valid"])],
        stalls=True,
        target=target,
    )
