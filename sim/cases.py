"""The matrix of engine configurations: fixed, so that the report's entries stay comparable.

Data, stalls and parameters are drawn from the seed of the run, configurations are not.
"""

import itertools
import random
from dataclasses import dataclass
from typing import Any

from pa_hdl.config import EngineConfig

__all__ = ["Case", "matrix", "smoke"]

BASES = ((1, 1), (2, 3), (3, 3), (4, 5), (8, 7))
"""(M, N) of the matrix."""

KERNELS = (1, 3, 5, 7)
STRIDES = (1, 2)

_FOLDS = range(60, 601)
"""Cycles of a frame: enough for several rows and folds, few enough for seconds of simulation."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One engine configuration, and the simulator that the matrix runs it on."""

    name: str
    simulator: str
    config: EngineConfig

    @property
    def geometry(self) -> tuple[Any, ...]:
        """What the convolution is, whatever computes it."""
        c = self.config
        channels = (c.in_channels, c.out_channels)
        return (*channels, c.height, c.width, c.kernel, c.stride, c.pad)


# What a seeded draw would meet too seldom. Fields that are not named are drawn.
_SPECIAL: tuple[dict[str, Any], ...] = (
    {"kernel": (1, 3), "stride": (1, 1), "m": 4, "n": 5},
    {"kernel": (3, 1), "stride": (1, 2), "m": 2, "n": 3},
    {"kernel": (5, 3), "stride": (2, 1), "m": 3, "n": 3},
    {"kernel": (3, 7), "stride": (1, 2), "m": 1, "n": 1},
    {"kernel": (2, 2), "stride": (2, 2), "pad": (0, 0, 0, 0), "m": 4, "n": 5},
    {"kernel": (4, 2), "stride": (3, 1), "m": 2, "n": 3},
    {"kernel": (1, 1), "stride": (3, 3), "m": 4, "n": 5},
    {"kernel": (3, 3), "stride": (1, 1), "pad": (2, 0, 0, 2), "m": 4, "n": 5},
    {"kernel": (3, 3), "stride": (2, 2), "pad": (0, 1, 0, 1), "m": 4, "n": 5},
    {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 0, 1, 0), "m": 2, "n": 3},
    {"kernel": (3, 3), "stride": (1, 1), "pad": (3, 3, 3, 3), "m": 3, "n": 3},
    {"kernel": (5, 5), "stride": (1, 1), "pad": (0, 4, 4, 0), "m": 2, "n": 3},
    {"kernel": (7, 7), "stride": (2, 2), "pad": (3, 2, 3, 2), "m": 1, "n": 1},
    {"kernel": (3, 3), "height": 1, "width": 9, "pad": (1, 1, 1, 1), "m": 4, "n": 5},
    {"kernel": (3, 3), "height": 9, "width": 1, "pad": (1, 1, 1, 1), "m": 4, "n": 5},
    {"kernel": (3, 3), "height": 3, "width": 11, "m": 2, "n": 3},
    {"kernel": (1, 1), "stride": (2, 2), "pad": (0, 0, 0, 0), "m": 8, "n": 7},
    {"in_channels": 1, "out_channels": 1, "simd": 1, "pe": 1, "kernel": (3, 3), "m": 4, "n": 5},
    {"in_channels": 3, "simd": 8, "pe": 5, "out_channels": 2, "kernel": (3, 3), "m": 4, "n": 5},
    {"in_channels": 7, "simd": 3, "pe": 2, "out_channels": 5, "kernel": (3, 3), "m": 4, "n": 5},
    {"in_channels": 8, "simd": 1, "pe": 8, "out_channels": 8, "kernel": (1, 1), "m": 2, "n": 3},
    {"in_channels": 8, "simd": 8, "pe": 1, "out_channels": 7, "kernel": (3, 3), "m": 2, "n": 3},
    {"m": 1, "n": 15, "kernel": (3, 3)},
    {"m": 16, "n": 1, "kernel": (3, 3)},
    {"m": 7, "n": 2, "kernel": (3, 3)},
    {"m": 6, "n": 7, "kernel": (3, 3), "phi_bits": 6},
    {"m": 3, "n": 4, "kernel": (3, 3), "phi_bits": 2},
    {"m": 4, "n": 5, "kernel": (3, 3), "phi_bits": 16},
    {"m": 4, "n": 5, "kernel": (3, 3), "act_bits": 1, "act_signed": False},
    {"m": 4, "n": 5, "kernel": (3, 3), "act_bits": 20, "act_signed": True},
    {"m": 4, "n": 5, "kernel": (3, 3), "act_bits": 16, "act_signed": True},
    {"m": 8, "n": 7, "kernel": (3, 3), "act_bits": 12, "act_signed": False},
)


def matrix() -> list[Case]:
    """Every configuration: kernels, strides and bases crossed, then the special ones."""
    crossed = [
        {"kernel": (kernel, kernel), "stride": (stride, stride), "m": m, "n": n}
        for kernel, stride, (m, n) in itertools.product(KERNELS, STRIDES, BASES)
    ]
    rng = random.Random(1)
    cases: list[Case] = []
    seen: set[tuple[Any, ...]] = set()
    for index, fixed in enumerate((*crossed, *_SPECIAL)):
        draws = (_draw(rng, index, fixed) for _ in range(5000))
        case = next((draw for draw in draws if draw and draw.geometry not in seen), None)
        if case is None:
            raise ValueError(f"no small configuration has {fixed}")
        seen.add(case.geometry)
        cases.append(case)
    return cases


def smoke() -> list[Case]:
    """A few of the matrix that together touch every feature; for both simulators."""
    wanted = {
        "k3x3_s1x1_m4n5",
        "k1x1_s2x2_m2n3",
        "k5x5_s2x2_m3n3",
        "k7x7_s1x1_m1n1",
    }
    chosen: dict[str, Case] = {}
    for case in matrix():
        stem = case.name.split("-")[1]
        if stem in wanted:
            chosen.setdefault(stem, case)
    return list(chosen.values())


def _draw(rng: random.Random, index: int, fixed: dict[str, Any]) -> Case | None:
    """A configuration with the fixed fields; ``None`` where it is too large or makes no sense."""
    kernel = fixed["kernel"]
    fields: dict[str, Any] = {
        "in_channels": rng.randint(1, 9),
        "out_channels": rng.randint(1, 9),
        "height": rng.randint(2, 9),
        "width": rng.randint(2, 9),
        "stride": (1, 1),
        "pad": _padding(rng, kernel),
        "simd": rng.choice((1, 2, 3, 4, 5, 8)),
        "pe": rng.choice((1, 2, 3, 4, 5)),
        "base": ("onehot", "thermometer")[index // 2 % 2],
        "act_bits": rng.choice((4, 8, 8, 11)),
        "act_signed": rng.random() < 0.5,
        "loadable": index % 3 == 0,
        **fixed,
    }
    try:
        config = EngineConfig(**fields)
    except ValueError:
        return None
    lanes = config.m * config.n * config.pe
    small = config.folds_per_frame in _FOLDS and 6 <= config.in_beats <= 200
    if not small or lanes * config.simd > 1000:
        return None
    if "height" not in fixed and min(config.out_height, config.out_width) < 2:
        return None
    (kh, kw), (sh, sw) = config.kernel, config.stride
    name = f"{index:02d}-k{kh}x{kw}_s{sh}x{sw}_m{config.m}n{config.n}"
    return Case(name=name, simulator=("icarus", "verilator")[index % 2], config=config)


def _padding(rng: random.Random, kernel: tuple[int, int]) -> tuple[int, ...]:
    kind = rng.choice(("none", "same", "same", "any"))
    if kind == "none":
        return (0, 0, 0, 0)
    if kind == "same":
        rows, columns = (kernel[0] - 1) // 2, (kernel[1] - 1) // 2
        return (rows, rows, columns, columns)
    return tuple(rng.randint(0, max(1, size // 2)) for size in (*[kernel[0]] * 2, *[kernel[1]] * 2))
