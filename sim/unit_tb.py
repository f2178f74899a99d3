"""Bench of any one component, inside the simulator: it plays vectors and compares what comes out.

A *put* drives the ports of one group of members, one item after the other. With ``valid`` and
``ready`` ports an item stays until it is taken; without ``ready`` it lasts one cycle; without
``valid`` an item is driven in every cycle. With ``gate`` in place of ``ready`` an item is offered
only in cycles in which that port is 1. A *get* compares items in order: those of the cycles in
which its ``valid`` ports are 1 (and its ``ready``, which the bench drives), or without ``valid``
those of every cycle from ``delay`` on. With ``stalls``, puts and gets pause at random.
"""

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, ReadOnly, RisingEdge

from sim import inputs, streams

__all__ = ["TESTS"]

TESTS = ("matches",)

_SURPLUS_CYCLES = 32
"""How long the bench looks for items too many, once all have come."""


class Put:
    """Items on their way into the component."""

    def __init__(self, dut: Any, spec: dict[str, Any], pauses: Any) -> None:
        self.dut = dut
        self.ports: dict[str, list[int]] = spec["items"]
        self.valid: list[str] = spec["valid"]
        self.ready: str | None = spec["ready"]
        self.gate: str | None = spec["gate"]
        self.count = spec["count"]
        self.index = 0
        self.pauses = pauses
        self.offered = False

    def drive(self) -> None:
        """Offer the next item, unless it is time to pause; what was offered stays."""
        self.offered = self.index < self.count and (self.offered or not next(self.pauses))
        if self.gate is not None:
            self.offered &= bool(getattr(self.dut, self.gate).value)
        for port in self.valid:
            getattr(self.dut, port).value = int(self.offered)
        if self.offered:
            for port, values in self.ports.items():
                getattr(self.dut, port).value = values[self.index]

    def sample(self) -> None:
        """Go on to the next item if this one is taken."""
        if self.offered and (self.ready is None or getattr(self.dut, self.ready).value):
            self.index += 1
            self.offered = False


class Get:
    """Items expected from the component, only the bits of their masks."""

    def __init__(self, dut: Any, spec: dict[str, Any], pauses: Any) -> None:
        self.dut = dut
        self.ports: dict[str, list[int]] = spec["items"]
        self.masks: dict[str, list[int]] = spec["masks"]
        self.valid: list[str] = spec["valid"]
        self.ready: str | None = spec["ready"]
        self.wait: int = spec["delay"]
        self.count = len(next(iter(self.ports.values())))
        self.index = 0
        self.pauses = pauses
        self.taking = True

    def drive(self) -> None:
        """Be ready, unless it is time to pause."""
        if self.ready is not None:
            self.taking = not next(self.pauses)
            getattr(self.dut, self.ready).value = int(self.taking)

    def sample(self) -> None:
        """Compare the item of this cycle, if there is one."""
        if not self.valid:
            self.wait -= 1
            if self.wait >= 0 or self.done:
                return
        elif not (self.taking and all(getattr(self.dut, port).value for port in self.valid)):
            return
        assert not self.done, f"{', '.join(self.ports)}: more than {self.count} items"
        for port, values in self.ports.items():
            wanted = values[self.index]
            mask = self.masks[port][self.index] if port in self.masks else -1
            if mask:
                value = int(getattr(self.dut, port).value) & mask
                assert value == wanted & mask, f"{port}: item {self.index}: {value}, not {wanted}"
        self.index += 1

    @property
    def done(self) -> bool:
        """Whether every item has come."""
        return self.index == self.count


@cocotb.test()
async def matches(dut: Any) -> None:
    """Every item comes out, in order, as it should be."""
    given = inputs.scalars()
    rng = random.Random(given["seed"])

    def pauses() -> Any:
        stalls = given["stalls"]
        return streams.bursts(random.Random(rng.random())) if stalls else iter(lambda: False, True)

    streams.start_clock(dut.clk)
    for port, value in given["constants"].items():
        getattr(dut, port).value = value
    puts = [Put(dut, spec, pauses()) for spec in given["puts"]]
    gets = [Get(dut, spec, pauses()) for spec in given["gets"]]
    for put in puts:
        for port in (*put.valid, *put.ports):
            getattr(dut, port).value = 0
    if hasattr(dut, "rst"):
        dut.rst.value = 1
        await ClockCycles(dut.clk, 3)
        dut.rst.value = 0
    else:
        await ClockCycles(dut.clk, 1)
    gated = [put for put in puts if put.gate is not None]
    rising, falling, settled = RisingEdge(dut.clk), FallingEdge(dut.clk), ReadOnly()
    surplus = _SURPLUS_CYCLES
    for _ in range(given["cycles"]):
        for put in puts:
            if put.gate is None:
                put.drive()
        for get in gets:
            get.drive()
        await falling
        # By now the gates show what they will be when the cycle ends.
        for put in gated:
            put.drive()
        await settled
        for get in gets:
            get.sample()
        for put in puts:
            put.sample()
        await rising
        if all(get.done for get in gets):
            surplus -= 1
            if not surplus:
                return
    missing = [f"{', '.join(get.ports)}: {get.index} of {get.count}" for get in gets]
    raise AssertionError(f"after {given['cycles']} cycles " + "; ".join(missing))
