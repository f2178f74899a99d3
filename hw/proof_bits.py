"""Many independent simulations of one netlist of gates at once, one in each bit of a word.

A gate is one operation on rows of 64-bit words: 16,384 streams of folds cost little more than one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Lanes", "bits_of", "lanes_of"]

Words = NDArray[np.uint64]

_TWO_INPUTS = {"$_AND_": np.bitwise_and, "$_OR_": np.bitwise_or, "$_XOR_": np.bitwise_xor}
_GATES = (*_TWO_INPUTS, "$_NOT_", "$_MUX_")
_FLIP_FLOP = "$_DFF_P_"
_IGNORED = "$scopeinfo"


def lanes_of(codes: NDArray[np.integer[Any]], width: int) -> Words:
    """Bits of numbers as words: row ``b`` holds bit ``b`` of number ``lane`` in bit ``lane``."""
    bits = (codes[None, :] >> np.arange(width)[:, None]) & 1
    return np.packbits(bits.astype(np.uint8), axis=1, bitorder="little").view("<u8")


def bits_of(words: Words) -> NDArray[np.uint8]:
    """The bits of a row of words, lane after lane."""
    return np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")


class Lanes:
    """One netlist, simulated in many lanes.

    Parameters
    ----------
    netlist : :class:`pathlib.Path`
        What :func:`hw.proof_flow.gates` wrote.
    top : :class:`str`
        Module to simulate. Its flip-flops all see the same clock.
    words : :class:`int`
        64-bit words a signal: 64 lanes each.
    random : :class:`numpy.random.Generator`
        Gives flip-flops the state in which they start.

    Raises
    ------
    ValueError
        If the netlist has a cell that is no gate, or a combinational loop.
    """

    def __init__(self, netlist: Path, top: str, *, words: int, random: np.random.Generator) -> None:
        module = json.loads(netlist.read_text())["modules"][top]
        self._ports: dict[str, list[Any]] = {
            name: port["bits"] for name, port in module["ports"].items()
        }
        cells = [cell for cell in module["cells"].values() if cell["type"] != _IGNORED]
        self._numbers: dict[Any, int] = {}
        nets = {net for port in self._ports.values() for net in port}
        nets.update(net for cell in cells for bits in cell["connections"].values() for net in bits)
        for net in ("0", "1", *sorted(nets - {"0", "1"}, key=str)):
            self._numbers[net] = len(self._numbers)
        self._state = np.zeros((len(self._numbers), words), dtype=np.uint64)
        self._scratch = np.zeros(words, dtype=np.uint64)
        self._state[self._numbers["1"]] = ~np.uint64(0)
        pins = [{pin: bits[0] for pin, bits in cell["connections"].items()} for cell in cells]
        flops = [pin for cell, pin in zip(cells, pins, strict=True) if cell["type"] == _FLIP_FLOP]
        self._d = np.array([self._numbers[pin["D"]] for pin in flops], dtype=np.int64)
        self._q = np.array([self._numbers[pin["Q"]] for pin in flops], dtype=np.int64)
        self._state[self._q] = random.integers(
            0, 1 << 64, (len(flops), words), dtype=np.uint64, endpoint=False
        )
        others = [
            (c["type"], p) for c, p in zip(cells, pins, strict=True) if c["type"] != _FLIP_FLOP
        ]
        self._program = list(self._compile(others))

    def drive(self, port: str, rows: Words) -> None:
        """Set an input, a row of words for each of its bits."""
        self._state[[self._numbers[net] for net in self._ports[port]]] = rows

    def settle(self) -> None:
        """Evaluate all gates."""
        for operation, *operands in self._program:
            operation(*operands)

    def clock(self) -> None:
        """Let all flip-flops take their inputs."""
        self._state[self._q] = self._state[self._d]

    def read(self, port: str) -> Words:
        """Rows of words of a port, a row for each of its bits."""
        return self._state[[self._numbers[net] for net in self._ports[port]]]

    def _compile(
        self, gates: list[tuple[str, dict[str, Any]]]
    ) -> Iterator[tuple[Callable[..., Any], *tuple[Words, ...]]]:
        rows = {net: self._state[number] for net, number in self._numbers.items()}
        for kind, pin in _in_order(gates):
            y, a = rows[pin["Y"]], rows[pin["A"]]
            if kind in _TWO_INPUTS:
                yield _TWO_INPUTS[kind], a, rows[pin["B"]], y
            elif kind == "$_NOT_":
                yield np.bitwise_not, a, y
            else:
                yield np.bitwise_xor, a, rows[pin["B"]], self._scratch
                yield np.bitwise_and, self._scratch, rows[pin["S"]], self._scratch
                yield np.bitwise_xor, self._scratch, a, y


def _in_order(gates: list[tuple[str, dict[str, Any]]]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Gates such that each follows those that drive it."""
    for kind, _ in gates:
        if kind not in _GATES:
            raise ValueError(f"gates must be {', '.join(_GATES)}, not {kind}")
    drivers = {pin["Y"]: at for at, (_, pin) in enumerate(gates)}
    readers: list[list[int]] = [[] for _ in gates]
    missing = [0] * len(gates)
    for at, (_, pin) in enumerate(gates):
        for net in {net for name, net in pin.items() if name != "Y"} & drivers.keys():
            readers[drivers[net]].append(at)
            missing[at] += 1
    ready = [at for at, count in enumerate(missing) if not count]
    for at in ready:
        for reader in readers[at]:
            missing[reader] -= 1
            if not missing[reader]:
                ready.append(reader)
    if len(ready) < len(gates):
        raise ValueError(f"{len(gates) - len(ready)} gates form a combinational loop")
    return [gates[at] for at in ready]
