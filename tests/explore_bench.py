"""Work for a sweep that a test decides: it runs in the processes of the workers."""

import os
from dataclasses import asdict
from pathlib import Path

from hw.explore_points import Point

BASE = {
    "unit": "dot", "m": 4, "n": 5, "phi_bits": 8, "simd": 16, "pe": 2, "datapath": "popcount",
    "target": "ecp5", "fold": None,
}  # fmt: skip


def point(**changes):
    return Point(**{**BASE, **changes})


def row(given, **changes):
    """A made-up result: LUTs grow with everything."""
    macs = given.simd * given.pe
    lut = macs * given.m * given.n
    return {
        **asdict(given), "lut": lut, "ff": lut, "carry": 3, "bram": 0, "dsp": 0, "depth": 2,
        "carry_depth": 1, "macs_per_cycle": macs, "lut_per_mac": lut / macs, "latency_cycles": 9,
        "error": "", **changes,
    }  # fmt: skip


def work(given, cache):
    """Leave a trace; die for 7 PEs, raise for 6."""
    with Path(cache, "trace").open("a") as trace:
        trace.write(f"{given.pe}\n")
    if given.pe == 7:
        os._exit(1)
    if given.pe == 6:
        raise OSError("no space\nleft")
    return row(given)
