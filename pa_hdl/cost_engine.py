"""What the parts of an engine around its dot product are made of, counted by structure.

Each function gives the *features* of one part: numbers of things that take LUTs, and of things that
take flip-flops. What one of each takes on a target is fitted (:mod:`pa_hdl.cost`).
"""

from __future__ import annotations

from collections.abc import Callable

from pa_hdl.comparators import Comparators
from pa_hdl.config import ceil_div, unsigned_bits
from pa_hdl.cost_features import Features, Site
from pa_hdl.cost_lookups import weight_word_bits
from pa_hdl.cost_memory import Placed, place_memory, rom_luts
from pa_hdl.frame import Collector
from pa_hdl.geometry import ConvGeometry
from pa_hdl.luts import popcount_luts
from pa_hdl.parameters import threshold_words
from pa_hdl.popcount import Popcount

__all__ = ["PARTS"]


def _position_bits(config: ConvGeometry) -> int:
    return (config.height - 1).bit_length() + (config.width - 1).bit_length()


def guard(site: Site) -> Features:
    """Counters of beats and folds, and a few states."""
    bits = (site.config.in_beats - 1).bit_length() + (site.config.in_folds - 1).bit_length()
    return Features(lut={"one": 1, "counter": bits}, ff={"one": 1, "counter": bits})


def comparators(site: Site) -> Features:
    """Comparisons, counts of those that hold, and the thresholds."""
    config = site.config
    compared = config.simd * config.n * config.threshold_bits
    read = config.in_folds > 1
    # Thresholds of a few folds are functions of a few bits, which dissolve into the comparisons.
    address = min(3, (config.in_folds - 1).bit_length())
    groups = ceil_div(config.n, Popcount.GROUP)
    codes = config.simd * config.code_bits
    lut = {
        "one": 1,
        f"compared {address}": compared,
        "counted": config.simd * popcount_luts(config.n),
        "masked": codes,
    }
    ff = {
        "one": 1,
        "act": config.simd * config.act_bits,
        "reached": config.simd * config.n,
        "code": codes * (1 + (groups - 1)),
    }
    memory = Placed()
    if read:
        lut["flipped"] = config.simd * config.act_bits
        width = config.threshold_word_bits
        memory = place_memory(site.config.target, config.in_folds, width, writable=False)
        if not memory.blocks:
            memory = Placed()
            words = threshold_words(config, site.parameters) if site.parameters else ()
            lut["table"] = ff["table"] = rom_luts(words, width, site.config.target)
    ff["delay"] = Comparators.latency(config)
    return Features(lut=lut, ff=ff, memory=memory)


def window(site: Site) -> Features:
    """Counters that lead over the image, the line buffer, and zeros where there is padding."""
    config = site.config
    depth = site.rows * config.width * config.in_folds
    width = config.simd * config.code_bits
    lines = place_memory(site.config.target, depth, width, writable=True)
    padded = any(config.pad)
    distributed = not lines.blocks
    lut = {
        "one": 1,
        "address": unsigned_bits(depth - 1),
        "position": _position_bits(config),
        "padded": padded,
        "masked": padded * width,
    }
    ff = {
        "one": 1,
        "address": lut["address"],
        "position": lut["position"],
        "padded": padded,
        "codes": width,
        "read": distributed * width,
    }
    return Features(lut=lut, ff=ff, memory=lines)


def collector(site: Site) -> Features:
    """A queue of results, and counters of results and of room."""
    config = site.config
    depth = Collector.depth_for(config, site.round_trip)
    # Amaranth's queue keeps one beat in a register behind a memory for all others.
    width = config.pe * config.acc_bits + 1
    queue = place_memory(site.config.target, depth - 1, width, writable=True)
    pixels = (config.out_height * config.out_width - 1).bit_length()
    counters = pixels + (config.out_folds - 1).bit_length()
    surplus = config.out_folds * config.pe - config.out_channels
    in_registers = site.config.target in _SMALL_IN_REGISTERS and depth < _SMALL
    if in_registers:
        queue = Placed()
    lut = {
        "one": 1,
        "counter": counters,
        "masked": surplus * config.acc_bits,
        "registers": width if in_registers else 0,
    }
    ff = {
        "one": 1,
        "counter": counters,
        "read": 0 if queue.blocks else width,
        "registers": (depth - 1) * width if in_registers else 0,
    }
    return Features(lut=lut, ff=ff, memory=queue)


_SMALL_IN_REGISTERS, _SMALL = ("ice40", "generic"), 6
"""Targets without LUT RAM, and how short a queue stands in registers there."""


def weights(site: Site) -> Features:
    """The weight memory, in block RAM."""
    config, width = site.config, weight_word_bits(site)
    if not width:
        return Features(lut={}, ff={})
    depth = config.folds_per_pixel
    memory = place_memory(config.target, depth, width, writable=False, block=True)
    # A register behind the blocks, which place and route may absorb.
    return Features(lut={}, ff={"read": width}, memory=memory)


PARTS: dict[str, Callable[[Site], Features]] = {
    "guard": guard,
    "comparators": comparators,
    "window": window,
    "collector": collector,
    "weights": weights,
}
"""The parts of an engine but its dot product."""
