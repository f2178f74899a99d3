"""AXI4-Stream at the engine's top, inside the simulator: cocotbext-axi drives and receives."""

import logging
import random
from collections.abc import Iterator
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.simtime import get_sim_time
from cocotb.triggers import ReadOnly, RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamSink, AxiStreamSource

__all__ = ["PERIOD", "accepted", "bursts", "check_held", "cycles", "sink", "source", "start_clock"]

PERIOD = 2
"""Of the clock, in ns."""

_STEPS_PER_CYCLE = PERIOD * 1000  # TIMESCALE resolves ps


def start_clock(clk: Any) -> None:
    """Start the clock: inside the simulator, no Python runs for it."""
    Clock(clk, PERIOD, "ns", impl="gpi").start()


def cycles(start: int, end: int) -> int:
    """Clock cycles between two moments (:func:`cocotb.simtime.get_sim_time` in steps)."""
    return (end - start) // _STEPS_PER_CYCLE


def source(dut: Any, prefix: str) -> AxiStreamSource:
    """Driver of the stream into ``dut`` whose signals start with ``prefix``, without gaps."""
    return _quiet(AxiStreamSource(AxiStreamBus.from_prefix(dut, prefix), dut.clk, dut.rst))


def sink(dut: Any, prefix: str) -> AxiStreamSink:
    """Receiver of the stream out of ``dut``, always ready."""
    return _quiet(AxiStreamSink(AxiStreamBus.from_prefix(dut, prefix), dut.clk, dut.rst))


def _quiet(end: Any) -> Any:
    end.log.setLevel(logging.ERROR)  # each frame would be printed
    return end


def bursts(rng: random.Random) -> Iterator[bool]:
    """Random pauses, for ``set_pause_generator``: short bursts, now and then a long one."""
    lengths = (1, 1, 1, 2, 3, 5, 9, 40)
    while True:
        for pause in (True, False):
            for _ in range(rng.choice(lengths)):
                yield pause


async def accepted(dut: Any, prefix: str, beats: int = 1) -> int:
    """Wait for so many transfers of a stream, and give the moment of the last of them."""
    valid, ready = getattr(dut, f"{prefix}_tvalid"), getattr(dut, f"{prefix}_tready")
    edge = RisingEdge(dut.clk)
    while True:
        await edge
        if valid.value and ready.value:
            beats -= 1
            if not beats:
                return get_sim_time("step")


def check_held(dut: Any, prefix: str) -> None:
    """From now on, fail if a beat that was offered changes or goes before it is taken."""
    cocotb.start_soon(_check_held(dut, prefix))


async def _check_held(dut: Any, prefix: str) -> None:
    names = ("tvalid", "tready", "tlast", "tdata")
    valid, ready, *payload = (getattr(dut, f"{prefix}_{name}") for name in names)
    offered: list[Any] | None = None
    edge, settled = RisingEdge(dut.clk), ReadOnly()
    while True:
        await edge
        await settled
        if dut.rst.value:
            offered = None
            continue
        now = [signal.value for signal in payload] if valid.value else None
        assert offered is None or now == offered, f"{prefix}: beat withdrawn or changed"
        offered = now if not ready.value else None
