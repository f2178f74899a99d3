"""How much of each layer is worked on in one cycle: chosen for a rate, for a device, or by hand.

Area is predicted (:mod:`pa_hdl.area`), cycles are ``max(input beats, folds)`` of a frame, which
engines sustain exactly. Where choices cost the same, those that need no converter between
neighbours win, since converters have an area too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import floor
from pathlib import Path
from typing import Any

from pa_artifact import Network
from pa_artifact.ranges import value_ranges
from pa_hdl.area import Area, fifo_area, width_area
from pa_hdl.candidates import Candidate, candidates, limits, stream_bits

__all__ = ["SCHEMA", "Folding", "fold_for_budget", "fold_for_rate", "network_digest"]

SCHEMA = 1
"""Version of the file."""

_SWEEPS = 8
"""Times that every node may react to its neighbours' choices."""

_SHORTEST = 4
"""Depth of the queues that are counted between nodes."""


def network_digest(network: Network) -> str:
    """Digest of the names, kinds and shapes of all nodes."""
    nodes = [[n.name, n.kind, list(n.shape_in), list(n.shape_out)] for n in network.nodes]
    return hashlib.sha256(json.dumps(nodes, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Folding:
    """Parallelism of every node of one network.

    Parameters
    ----------
    network : :class:`str`
        Digest of the network; see :func:`network_digest`.
    nodes : mapping
        For each node ``simd`` and ``pe`` (engines) or ``lanes`` (all others).
    """

    network: str
    nodes: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, network: Network, nodes: Mapping[str, Mapping[str, int]]) -> Folding:
        """The folding, checked against its network.

        Raises
        ------
        ValueError
            Naming the node that is missing, unknown or cannot be folded like this.
        """
        known = {node.name for node in network.nodes}
        for name in nodes:
            if name not in known:
                raise ValueError(f"folding of {name!r}: the network has no such node")
        for node in network.nodes:
            if node.name not in nodes:
                raise ValueError(f"folding of {node.name!r} is missing")
            _check(node.name, nodes[node.name], limits(network, node))
        ordered = {node.name: dict(nodes[node.name]) for node in network.nodes}
        return cls(network=network_digest(network), nodes=ordered)

    @classmethod
    def read(cls, path: Path | str, network: Network) -> Folding:
        """The folding in a file, checked against its network.

        Raises
        ------
        OSError, ValueError
            If the file cannot be read, or is not a folding of this network; in one line.
        """
        try:
            raw = json.loads(Path(path).read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: not a JSON file: {error}") from error
        try:
            return cls.of(network, _parsed(raw, network))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def text(self) -> str:
        """The text of its file."""
        rows = ",\n".join(
            f"    {json.dumps(name)}: {json.dumps(dict(values))}"
            for name, values in self.nodes.items()
        )
        return (
            f'{{\n  "schema": {SCHEMA},\n  "network": "{self.network}",\n'
            f'  "nodes": {{\n{rows}\n  }}\n}}\n'
        )


def _parsed(raw: Any, network: Network) -> dict[str, dict[str, int]]:
    if not isinstance(raw, dict) or set(raw) != {"schema", "network", "nodes"}:
        given = sorted(raw) if isinstance(raw, dict) else raw
        raise ValueError(f"a folding has the members schema, network and nodes, not {given!r}")
    if raw["schema"] != SCHEMA or isinstance(raw["schema"], bool):
        raise ValueError(f"schema must be {SCHEMA}, not {raw['schema']!r}")
    digest = network_digest(network)
    if raw["network"] != digest:
        raise ValueError(
            f"network must be {digest}, the one that is folded, not {raw['network']!r}"
        )
    if not isinstance(raw["nodes"], dict):
        raise ValueError(f"nodes must be an object, not {raw['nodes']!r}")
    return raw["nodes"]


def _check(name: str, values: Any, limit: Mapping[str, int]) -> None:
    wanted = " and ".join(limit)
    if not isinstance(values, Mapping) or set(values) != set(limit):
        raise ValueError(f"folding of {name!r} must have {wanted}, not {values!r}")
    for key, channels in limit.items():
        value = values[key]
        whole = isinstance(value, int) and not isinstance(value, bool) and value > 0
        if not whole or channels % value:
            raise ValueError(f"folding of {name!r}: {key} must divide {channels}, not {value!r}")


def fold_for_rate(
    network: Network,
    *,
    fps: float,
    clock_mhz: float,
    datapath: str = "popcount",
    target: str = "generic",
) -> Folding:
    """The folding of least predicted area that computes so many images a second.

    Parameters
    ----------
    network : :class:`pa_artifact.Network`
        Validated.
    fps, clock_mhz : :class:`float`
        Images a second at that clock.
    datapath, target : :class:`str`
        Of the PA convolutions, as :func:`~pa_hdl.candidates.candidates` takes them.

    Raises
    ------
    ValueError
        If a node cannot be that fast; names it, and the best rate of the network.
    """
    for name, value in (("fps", fps), ("clock_mhz", clock_mhz)):
        if isinstance(value, bool) or not 0 < value < float("inf"):
            raise ValueError(f"{name} must be above 0, not {value!r}")
    search = _Search.of(network, datapath, target)
    hertz = clock_mhz * 1e6
    cycles = floor(hertz / fps)
    name, fastest = search.slowest
    if fastest > cycles:
        best = floor(hertz / fastest * 10) / 10
        raise ValueError(
            f"{fps:g} images a second at {clock_mhz:g} MHz leave {cycles} cycles for an image, but "
            f"{name!r} takes {fastest} fully unfolded: the best rate is {best:g}"
        )
    return search.folding(search.choose(cycles))


def fold_for_budget(
    network: Network, *, luts: int, datapath: str = "popcount", target: str = "generic"
) -> Folding:
    """The folding of the fastest rate whose predicted LUTs fit.

    Parameters
    ----------
    network : :class:`pa_artifact.Network`
        Validated.
    luts : :class:`int`
        LUTs of six inputs.
    datapath, target : :class:`str`
        Of the PA convolutions, as :func:`~pa_hdl.candidates.candidates` takes them.

    Raises
    ------
    ValueError
        If even the slowest folding needs more.
    """
    if isinstance(luts, bool) or not isinstance(luts, int) or luts < 1:
        raise ValueError(f"luts must be an integer of at least 1, not {luts!r}")
    search = _Search.of(network, datapath, target)
    rates = search.rates
    chosen = search.choose(rates[-1])
    least = search.luts(chosen)
    if least > luts:
        raise ValueError(f"{luts} LUTs do not hold the network, which takes {least} fully folded")
    low, high = 0, len(rates) - 1  # the rate at `high` fits
    while low < high:
        middle = (low + high) // 2
        attempt = search.choose(rates[middle])
        if search.luts(attempt) <= luts:
            high, chosen = middle, attempt
        else:
            low = middle + 1
    return search.folding(chosen)


Choice = dict[str, Candidate]


@dataclass(frozen=True, kw_only=True)
class _Search:
    """Candidates of all nodes, and what lies between them."""

    network: Network
    found: Mapping[str, list[Candidate]]
    bits: Mapping[str, int]
    neighbours: Mapping[str, list[tuple[str, bool]]] = field(default_factory=dict)

    @classmethod
    def of(cls, network: Network, datapath: str, target: str) -> _Search:
        neighbours: dict[str, list[tuple[str, bool]]] = {node.name: [] for node in network.nodes}
        for start, end in network.edges:
            neighbours[start].append((end, True))
            neighbours[end].append((start, False))
        bits = stream_bits(network, value_ranges(network))
        found = candidates(network, datapath=datapath, target=target)
        return cls(network=network, found=found, bits=bits, neighbours=neighbours)

    @property
    def slowest(self) -> tuple[str, int]:
        """The node that takes most cycles fully unfolded, and those."""
        cycles = {name: min(c.cycles for c in some) for name, some in self.found.items()}
        name = max(cycles, key=lambda each: cycles[each])
        return name, cycles[name]

    @property
    def rates(self) -> list[int]:
        """Cycles of a frame at which some choice changes, the fastest first."""
        fastest = self.slowest[1]
        all_cycles = {c.cycles for some in self.found.values() for c in some}
        return sorted(cycles for cycles in all_cycles if cycles >= fastest)

    def choose(self, cycles: int) -> Choice:
        """A candidate for each node, none slower, of little area together.

        Each node takes its best; then each in turn takes what is best beside its neighbours' last
        choice, as long as that changes anything.
        """
        fit = {
            name: [each for each in some if each.cycles <= cycles]
            for name, some in self.found.items()
        }
        chosen = {
            name: min(some, key=lambda each: (each.area.weight, each.cycles))
            for name, some in fit.items()
        }
        for _ in range(_SWEEPS):
            changed = False
            for name, some in fit.items():
                best = min(some, key=lambda each: (self._cost(name, each, chosen), each.cycles))
                if self._cost(name, best, chosen) < self._cost(name, chosen[name], chosen):
                    chosen[name] = best
                    changed = True
            if not changed:
                break
        return chosen

    def _cost(self, name: str, candidate: Candidate, chosen: Choice) -> float:
        """Area of a node, and of what lies between it and its neighbours."""
        cost = candidate.area.weight
        for other, behind in self.neighbours[name]:
            if behind:
                cost += _between(
                    candidate.lanes_out, chosen[other].lanes_in, self.bits[name]
                ).weight
            else:
                cost += _between(
                    chosen[other].lanes_out, candidate.lanes_in, self.bits[other]
                ).weight
        return cost

    def luts(self, chosen: Choice) -> int:
        """Predicted LUTs of the whole network."""
        total = sum((candidate.area for candidate in chosen.values()), Area())
        for start, end in self.network.edges:
            total += _between(chosen[start].lanes_out, chosen[end].lanes_in, self.bits[start])
        return total.luts

    def folding(self, chosen: Choice) -> Folding:
        nodes = {name: candidate.folding for name, candidate in chosen.items()}
        return Folding.of(self.network, nodes)


@cache
def _between(lanes_out: int, lanes_in: int, bits: int) -> Area:
    """A queue, and a converter where lanes differ."""
    queue = fifo_area(_SHORTEST, lanes_in * bits + 1)
    return queue if lanes_out == lanes_in else queue + width_area(lanes_out, lanes_in, bits)
