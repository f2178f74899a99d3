"""The ways in which a node of a network can be folded, with cycles and area of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pa_artifact import Network, Node
from pa_artifact.ranges import value_ranges
from pa_hdl.area import (
    Area,
    add_area,
    concat_area,
    engine_area,
    global_pool_area,
    multiply_area,
    pool_area,
    rescale_area,
)
from pa_hdl.config import EngineConfig
from pa_hdl.cost import AUTO, cheapest
from pa_hdl.geometry import ConvGeometry
from pa_hdl.network.blocks import is_engine
from pa_hdl.parameters import LayerParameters
from pa_hdl.popcount import range_shape

__all__ = ["Candidate", "candidates", "limits", "stream_bits"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to fold a node.

    Parameters
    ----------
    folding : mapping of :class:`str` to :class:`int`
        ``simd`` and ``pe``, or ``lanes``.
    cycles : :class:`int`
        Cycles of a frame.
    area : :class:`~pa_hdl.area.Area`
        Predicted.
    """

    folding: Mapping[str, int]
    cycles: int
    area: Area

    @property
    def lanes_in(self) -> int:
        """Lanes of the streams into it."""
        return self.folding.get("simd", self.folding.get("lanes", 1))

    @property
    def lanes_out(self) -> int:
        """Lanes of the stream out of it."""
        return self.folding.get("pe", self.folding.get("lanes", 1))


def limits(network: Network, node: Node) -> dict[str, int]:
    """What each field of a node's folding has to divide.

    Raises
    ------
    ValueError
        If there is no hardware for such a node.
    """
    channels, results = node.shape_in[0], node.shape_out[0]
    groups = node.attributes.get("groups", 1)
    if is_engine(node):
        return {"simd": channels // groups, "pe": results // groups}
    if node.kind == "concat":
        return {"lanes": gcd(*(each.shape_out[0] for each in network.inputs_of(node.name)))}
    if node.kind not in _RULES:
        raise ValueError(f"{node.name}: there is no hardware for a {node.kind}")
    return {"lanes": channels}


def stream_bits(network: Network, ranges: Mapping[str, NDArray[np.int64]]) -> dict[str, int]:
    """Bits of an element of each node's result."""
    bits = {}
    for node in network.nodes:
        exact = ranges[node.name]
        shape = range_shape(int(exact.min()), int(exact.max()))
        bits[node.name] = node.attributes.get("bits", max(1, shape.width))
    return bits


def candidates(
    network: Network, *, datapath: str = "popcount", target: str = "generic"
) -> dict[str, list[Candidate]]:
    """All of them for each node, by name.

    Parameters
    ----------
    network : :class:`pa_artifact.Network`
        Validated.
    datapath, target : :class:`str`
        Of the PA convolutions; :data:`~pa_hdl.cost.AUTO` is the cheapest datapath of each.
    """
    ranges = value_ranges(network)
    bits = stream_bits(network, ranges)
    found = {}
    for node in network.nodes:
        operands = network.inputs_of(node.name)
        facts = _Facts(
            node=node,
            folds=[dict(each) for each in _foldings(limits(network, node))],
            operand_bits=[bits[operand.name] for operand in operands],
            bits=bits[node.name],
            datapath=datapath,
            target=target,
            operand_range=ranges[operands[0].name] if operands else ranges[node.name],
        )
        found[node.name] = list(_RULES[node.kind](facts))
    return found


def _foldings(limit: Mapping[str, int]) -> Iterator[Mapping[str, int]]:
    (first, channels), *others = limit.items()
    for lanes in _divisors(channels):
        if others:
            [(second, results)] = others
            for pe in _divisors(results):
                yield {first: lanes, second: pe}
        else:
            yield {first: lanes}


@cache
def _divisors(number: int) -> tuple[int, ...]:
    return tuple(divisor for divisor in range(1, number + 1) if number % divisor == 0)


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What the cycles and the area of a node depend on."""

    node: Node
    folds: list[dict[str, int]]
    operand_bits: list[int]
    bits: int
    datapath: str
    target: str
    operand_range: NDArray[np.int64]

    def geometry(self, folding: Mapping[str, int], **changes: Any) -> ConvGeometry:
        """Its window, folded."""
        node = self.node
        window = {"kernel": (1, 1), "stride": (1, 1), "pad": (0, 0, 0, 0), "groups": 1}
        window |= {name: node.attributes[name] for name in window if name in node.attributes}
        channels, height, width = node.shape_in
        options: dict[str, Any] = {
            "in_channels": channels,
            "out_channels": node.shape_out[0],
            "height": height,
            "width": width,
            "simd": folding.get("simd", folding.get("lanes")),
            "pe": folding.get("pe", folding.get("lanes")),
            **window,
            **changes,
        }
        return ConvGeometry(**options)

    def beats(self, lanes: int) -> int:
        """Beats of a frame, of the operands or of the result, whichever are more."""
        return max(c * h * w for c, h, w in (self.node.shape_in, self.node.shape_out)) // lanes


def _rows(geometry: ConvGeometry) -> int:
    """About the rows of the line buffer: a window, and those that the next one needs."""
    return geometry.kernel[0] + geometry.stride[0]


def _windowed(geometry: ConvGeometry, folding: Mapping[str, int], area: Area) -> Candidate:
    cycles = max(geometry.in_beats, geometry.folds_per_frame)
    return Candidate(folding=folding, cycles=cycles, area=area)


def _pa_conv(facts: _Facts) -> Iterator[Candidate]:
    node = facts.node
    whole = EngineConfig.from_node(
        node, simd=node.shape_in[0], pe=node.shape_out[0], target=facts.target
    )
    parameters = LayerParameters.from_node(node)
    for folding in facts.folds:
        config = replace(whole, simd=folding["simd"], pe=folding["pe"])
        datapath = cheapest(config, parameters) if facts.datapath == AUTO else facts.datapath
        config = replace(config, datapath=datapath)
        area = engine_area(config, parameters, rows=_rows(config))
        yield _windowed(config, folding, area)


def _multiply(facts: _Facts) -> Iterator[Candidate]:
    differences = facts.operand_range - facts.node.tensors["zero"].astype(np.int64)[:, None]
    lowest, highest = min(0, int(differences.min())), max(1, int(differences.max()))
    code_bits = range_shape(lowest, highest).width
    for folding in facts.folds:
        config = facts.geometry(folding)
        area = multiply_area(
            config,
            _rows(config),
            code_bits=code_bits,
            code_signed=lowest < 0,
            acc_bits=facts.bits,
        )
        yield _windowed(config, folding, area)


def _pool(facts: _Facts) -> Iterator[Candidate]:
    [bits] = facts.operand_bits
    largest = facts.node.kind == "max_pool"
    for folding in facts.folds:
        config = facts.geometry(folding, groups=facts.node.shape_in[0])
        area = pool_area(
            config, _rows(config), code_bits=bits, acc_bits=facts.bits, largest=largest
        )
        yield _windowed(config, folding, area)


def _streaming(facts: _Facts, area: Any) -> Iterator[Candidate]:
    for folding in facts.folds:
        lanes = folding["lanes"]
        yield Candidate(folding=folding, cycles=facts.beats(lanes), area=area(lanes))


def _input(facts: _Facts) -> Iterator[Candidate]:
    return _streaming(facts, lambda lanes: Area())


def _rescale(facts: _Facts) -> Iterator[Candidate]:
    tensors = facts.node.tensors
    mult, bias = (
        range_shape(int(tensors[name].min()), int(tensors[name].max())).width
        for name in ("mult", "bias")
    )
    [bits] = facts.operand_bits
    channels, kept = facts.node.shape_in[0], int(tensors["shift"]) + facts.bits

    def area(lanes: int) -> Area:
        return rescale_area(
            lanes, channels // lanes, x_bits=bits, mult_bits=mult, bias_bits=bias, kept=kept
        )

    return _streaming(facts, area)


def _add(facts: _Facts) -> Iterator[Candidate]:
    return _streaming(facts, lambda lanes: add_area(lanes, facts.operand_bits, facts.bits))


def _concat(facts: _Facts) -> Iterator[Candidate]:
    operands = len(facts.operand_bits)
    return _streaming(facts, lambda lanes: concat_area(lanes, operands, facts.bits))


def _global_pool(facts: _Facts) -> Iterator[Candidate]:
    channels = facts.node.shape_in[0]
    return _streaming(facts, lambda lanes: global_pool_area(lanes, facts.bits, channels // lanes))


_RULES = {
    "input": _input,
    "pa_conv": _pa_conv,
    "conv8": _multiply,
    "linear8": _multiply,
    "max_pool": _pool,
    "avg_pool": _pool,
    "rescale": _rescale,
    "add": _add,
    "concat": _concat,
    "global_avg_pool": _global_pool,
}
