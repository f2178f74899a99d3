"""Points of a sweep: what each is, what it costs, and results kept by content."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pa_hdl
from pa_hdl.files import whole_files

from .flow import FlowError, synthesise
from .pnr_cases import PnrCase
from .targets import TARGETS

__all__ = ["COLUMNS", "Point", "evaluate", "grid", "recall", "remember"]

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One configuration of a sweep.

    Parameters
    ----------
    unit : :class:`str`
        ``dot`` or ``engine``.
    m, n, phi_bits : :class:`int`
        The scheme.
    simd, pe : :class:`int`
        Parallelism.
    datapath, target : :class:`str`
        Hardware of the dot product, and device family.
    fold : :class:`int` or ``None``
        Folds of a 1x1 layer; ``None`` for 3x3 with 576 taps.
    """

    unit: str
    m: int
    n: int
    phi_bits: int
    simd: int
    pe: int
    datapath: str
    target: str
    fold: int | None

    def __str__(self) -> str:
        shape = f"m{self.m}n{self.n}p{self.phi_bits}-{self.simd}x{self.pe}"
        folds = f"-fold{self.fold}" if self.fold else ""
        return f"{self.unit}-{self.datapath}-{shape}{folds} on {self.target}"


COLUMNS = (
    "unit", "m", "n", "phi_bits", "simd", "pe", "datapath", "target", "fold", "lut", "ff", "carry",
    "bram", "dsp", "depth", "carry_depth", "macs_per_cycle", "lut_per_mac", "latency_cycles",
    "top1", "error",
)  # fmt: skip
"""Columns of the table of results."""

_FOUND = set(COLUMNS) - {"top1"}


def grid(lists: Mapping[str, Sequence[Any]]) -> list[Point]:
    """Every combination of the values listed for each field of a :class:`Point`."""
    names = list(lists)
    return [
        Point(**dict(zip(names, values, strict=True)))
        for values in itertools.product(*(dict.fromkeys(lists[name]) for name in names))
    ]


def evaluate(point: Point, cache: str) -> Row:
    """Synthesise one point; a configuration that is refused is a row with an ``error``."""
    try:
        options = asdict(point)
        case = PnrCase.of(options.pop("unit"), **options)
        figures = synthesise(case.design(), point.target, Path(cache))[point.unit]
        latency = case.latency
    except (FlowError, TypeError, ValueError) as error:
        return {**asdict(point), "error": " ".join(str(error).split())}
    macs = point.simd * point.pe
    return {
        **asdict(point),
        **asdict(figures.uses),
        "depth": figures.depth,
        "carry_depth": figures.carry_depth,
        "macs_per_cycle": macs,
        "lut_per_mac": round(figures.uses.lut / macs, 3),
        "latency_cycles": latency,
        "error": "",
    }


@functools.cache
def _sources() -> str:
    """Digest of every source that a result may depend on."""
    digest = hashlib.sha256(importlib.metadata.version("pyosys").encode())
    for folder in (Path(pa_hdl.__file__).parent, Path(__file__).parent):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".v", ".txt"):
                digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _place(point: Point, cache: Path) -> Path:
    content = json.dumps([asdict(point), TARGETS[point.target].flags, _sources()])
    return cache / f"{hashlib.sha256(content.encode()).hexdigest()[:24]}.point.json"


def recall(point: Point, cache: Path) -> Row | None:
    """The row of a point as it was remembered; ``None`` if it was not, or its file is damaged."""
    try:
        row = json.loads(_place(point, cache).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(row, dict) and row.keys() >= _FOUND and row.items() >= asdict(point).items()
    return row if whole else None


def remember(point: Point, row: Row, cache: Path) -> None:
    """Keep a row for :func:`recall`."""
    with whole_files() as write:
        write(_place(point, cache), json.dumps(row))
