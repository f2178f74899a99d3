"""A miter in simulation: every fold that exists, or very many at random."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .proof_bits import Lanes, bits_of, lanes_of
from .proof_miter import TOP, Miter

__all__ = ["exhaustive", "folds_of", "owed", "randomly"]

Codes = NDArray[np.int64]

_WORDS = 256
"""Of a signal: 16,384 lanes."""


@dataclass(kw_only=True)
class _Cycle:
    """Inputs of all lanes in one cycle: codes (element, lane), and flags by lane."""

    act: Codes
    weight: Codes
    flags: dict[str, NDArray[np.bool_]] = field(default_factory=dict)


def folds_of(miter: Miter) -> int:
    """How many folds exist."""
    config = miter.config
    weights = 0 if miter.inside else config.simd * config.pe
    return (config.n + 1) ** config.simd * (config.m + 1) ** weights


def exhaustive(miter: Miter, netlist: Path, *, seed: int) -> str:
    """Look at every fold that exists, at the start of a sum and added to other folds.

    Returns what was found to differ, or nothing.
    """
    config, total = miter.config, folds_of(miter)
    weights = 0 if miter.inside else config.simd * config.pe
    radices = [config.n + 1] * config.simd + [config.m + 1] * weights
    lanes = 64 * min(_WORDS, -(-total // 64))

    def codes(start: int) -> tuple[Codes, Codes]:
        rest = np.arange(start, start + lanes) % total
        digits = np.empty((len(radices), lanes), dtype=np.int64)
        for at, radix in enumerate(radices):
            rest, digits[at] = np.divmod(rest, radix)
        return digits[: config.simd], digits[config.simd :]

    def cycles() -> Iterator[_Cycle]:
        on = np.ones(lanes, dtype=bool)
        folds = config.folds_per_pixel if miter.fixed else 2
        for start in range(0, total, lanes):
            for fold in range(folds):
                act, weight = codes(start + fold * (total // folds))
                flags = {"valid": on, "first": on if fold == 0 else ~on, "last": on, "rst": ~on}
                yield _Cycle(act=act, weight=weight, flags=flags)

    return _compare(miter, netlist, cycles(), lanes, np.random.default_rng(seed))


def randomly(miter: Miter, netlist: Path, *, seed: int, folds: int) -> str:
    """Look at so many random folds, in sums of random length with pauses and resets between.

    Returns what was found to differ, or nothing.
    """
    config, random = miter.config, np.random.default_rng(seed)
    lanes = 64 * min(_WORDS, -(-folds // (64 * 32)))
    shapes = ((config.simd, lanes), (config.simd * config.pe, lanes))

    def cycles() -> Iterator[_Cycle]:
        after_last = np.ones(lanes, dtype=bool)
        for _ in range(-(-folds // lanes)):
            reset = random.random(lanes) < 0.01
            valid = random.random(lanes) < 0.9
            last = random.random(lanes) < 0.3
            act, weight = (
                _codes(random, highest, shape)
                for highest, shape in zip((config.n, config.m), shapes, strict=True)
            )
            flags = {"valid": valid, "first": after_last, "last": last, "rst": reset}
            yield _Cycle(act=act, weight=weight, flags=flags)
            after_last = np.where(valid, last, after_last) | reset

    return _compare(miter, netlist, cycles(), lanes, random)


def _codes(random: np.random.Generator, highest: int, shape: tuple[int, int]) -> Codes:
    """Random codes, some lanes with the same one everywhere: sums at the ends of their ranges."""
    codes = random.integers(0, highest + 1, shape)
    same = random.random(shape[1]) < 0.1
    codes[:, same] = codes[0, same]
    return codes


def _compare(
    miter: Miter,
    netlist: Path,
    cycles: Iterator[_Cycle],
    lanes: int,
    random: np.random.Generator,
) -> str:
    """Run both dot products in all lanes; flip-flops start at random and are reset once."""
    config, answers = miter.config, 0
    simulation = Lanes(netlist, TOP, words=lanes // 64, random=random)
    recent: deque[_Cycle] = deque(maxlen=miter.latency + 1)
    off = np.zeros(lanes, dtype=bool)
    idle = {"valid": off, "first": off, "last": off}
    nothing = {"act": np.zeros((config.simd, lanes), dtype=np.int64)}
    nothing["weight"] = np.zeros((config.simd * config.pe, lanes), dtype=np.int64)

    def all_cycles() -> Iterator[_Cycle]:
        yield _Cycle(**nothing, flags={**idle, "rst": ~off})
        yield from cycles
        for _ in range(miter.latency + 1):
            yield _Cycle(**nothing, flags={**idle, "rst": off})

    for number, cycle in enumerate(all_cycles()):
        recent.append(cycle)
        _drive(simulation, miter, cycle)
        simulation.settle()
        if number:
            answers += int(np.bitwise_count(simulation.read("answer")).sum())
            wrong = ~simulation.read("agree")[0]
            if wrong.any():
                return _difference(config, recent[0], int(np.flatnonzero(bits_of(wrong))[0]))
        simulation.clock()
    return "" if answers else "no accumulators came out"


def _drive(simulation: Lanes, miter: Miter, cycle: _Cycle) -> None:
    """Set all inputs that the miter has."""
    config = miter.config
    given = (
        ("act", cycle.act, config.code_bits),
        ("weight", cycle.weight, config.weight_code_bits),
    )
    for port, codes, width in given:
        if port in miter.signature.members:
            simulation.drive(port, np.concatenate([lanes_of(code, width) for code in codes]))
    for port, flag in cycle.flags.items():
        if port == "rst" or port in miter.signature.members:
            simulation.drive(port, lanes_of(flag.astype(np.int64), 1))


def owed(miter: Miter, netlist: Path) -> str:
    """By how much accumulators differ after each fold of a pixel of zeros: bits, the last first."""
    config, lanes = miter.config, 64
    simulation = Lanes(netlist, TOP, words=1, random=np.random.default_rng(0))
    on = np.ones(lanes, dtype=bool)
    nothing = {"act": np.zeros((config.simd, lanes), dtype=np.int64)}
    nothing["weight"] = np.zeros((config.simd * config.pe, lanes), dtype=np.int64)
    found = []
    for cycle in range(1 + miter.latency + config.folds_per_pixel):
        flags = {"valid": on, "rst": ~on if cycle else on}
        _drive(simulation, miter, _Cycle(**nothing, flags=flags))
        simulation.settle()
        if cycle > miter.latency:
            found.append("".join(str(row[0] & 1) for row in simulation.read("difference")[::-1]))
        simulation.clock()
    return "".join(found[::-1])


def _difference(config: Any, cycle: _Cycle, lane: int) -> str:
    """The fold, and that accumulators differ after it."""
    act, weight = (codes[:, lane].tolist() for codes in (cycle.act, cycle.weight))
    return f"accumulators differ after activation codes {act} and weight codes {weight}"
