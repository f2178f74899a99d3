"""Bench of a whole engine, inside the simulator: cocotb tests over generated Verilog.

Every test starts from reset, and loads the engine first if it is loadable. With ``stalls`` both
streams pause at random in every test; without, the driver leaves no gap and the sink is always
ready, and ``frames`` asserts the schedule to the cycle.
"""

import itertools
import random
import time
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, SimTimeoutError, with_timeout
from numpy.typing import NDArray

from sim import inputs, streams
from sim.packing import frame_bytes, frame_values, image_beats

__all__ = ["BAKED_TESTS", "LOADABLE_TESTS"]

BAKED_TESTS = ("frames", "reset_in_mid_frame", "frame_cut_short", "frame_too_long")
LOADABLE_TESTS = (
    *BAKED_TESTS,
    "load_cut_short",
    "load_too_long",
    "load_of_most_negative_phi",
    "load_between_frames",
    "reset_forgets_load",
)

_SETTLE = 64
"""Cycles within which a status follows what it reports, once the streams have moved."""


class Engine:
    """The engine with its driver and its sink."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.given = inputs.scalars()
        self.arrays = inputs.arrays()
        self.rng = random.Random(self.given["seed"])
        self.loadable = self.given["loadable"]
        self.budget = self.given["cycle_budget"]
        self.compared = self.mismatches = 0

    async def start(self) -> None:
        """Clock, reset, streams; and the first load, where the engine takes one."""
        dut = self.dut
        streams.start_clock(dut.clk)
        dut.rst.value = 1
        dut.s_axis_tvalid.value = 0
        dut.m_axis_tready.value = 0
        if self.loadable:
            dut.s_axis_cfg_tvalid.value = 0
        await ClockCycles(dut.clk, 3)
        self.source = streams.source(dut, "s_axis")
        self.sink = streams.sink(dut, "m_axis")
        if self.loadable:
            self.config = streams.source(dut, "s_axis_cfg")
        if self.given["stalls"]:
            self.source.set_pause_generator(streams.bursts(random.Random(self.rng.random())))
            self.sink.set_pause_generator(streams.bursts(random.Random(self.rng.random())))
            streams.check_held(dut, "m_axis")
        await self.reset()
        if self.loadable:
            await self.load()

    async def reset(self) -> None:
        """Hold reset for some cycles; whatever the streams held is gone."""
        self.dut.rst.value = 1
        await ClockCycles(self.dut.clk, 3)
        for end in (self.source, self.sink):
            end.clear()
        self.dut.rst.value = 0
        await ClockCycles(self.dut.clk, 2)
        assert not self.dut.frame_short.value, "reset leaves frame_short"
        assert not self.dut.frame_long.value, "reset leaves frame_long"

    # Configuration

    def send_load(self, words: NDArray[np.int64]) -> None:
        """Queue a load."""
        self.config.send_nowait(b"".join(word.to_bytes(4, "little") for word in words.tolist()))

    async def load(self, which: str = "load") -> None:
        """Load, and see it reported as good."""
        self.send_load(self.arrays[which])
        await self.until(lambda: self.dut.cfg_loaded.value, "cfg_loaded")
        assert not self.dut.cfg_error.value, "a complete load leaves cfg_error"

    async def until(self, condition: Any, what: str) -> None:
        """Wait for a status."""
        for _ in range(self.budget):
            await ClockCycles(self.dut.clk, 1)
            if condition():
                return
        raise AssertionError(f"{what} does not come within {self.budget} cycles")

    async def refuses_frames(self) -> None:
        """Whether the engine holds ready low while a beat waits."""
        for _ in range(_SETTLE):
            await ClockCycles(self.dut.clk, 1)
            assert not self.dut.s_axis_tready.value, "ready without a load"

    # Frames

    def send(self, image: NDArray[np.int64], *, beats: int | None = None, extra: int = 0) -> None:
        """Queue an image, only its first beats, or with surplus beats behind it."""
        simd, bits = self.given["simd"], self.given["act_bits"]
        frame = list(image_beats(image, simd))[:beats]
        frame += [[self.rng.getrandbits(bits) for _ in range(simd)] for _ in range(extra)]
        self.source.send_nowait(frame_bytes(frame, lanes=simd, bits=bits, rng=self.rng))

    async def receive(self) -> Any:
        """The next frame."""
        try:
            return await with_timeout(self.sink.recv(), self.budget * streams.PERIOD, "ns")
        except SimTimeoutError:
            raise AssertionError(f"no frame within {self.budget} cycles") from None

    async def expect(self, image: NDArray[np.int64], label: str) -> Any:
        """The next frame, every accumulator of it as it should be."""
        frame = await self.receive()
        values = frame_values(
            bytes(frame.tdata),
            lanes=self.given["pe"],
            bits=self.given["acc_bits"],
            channels=image.shape[-1],
        )
        wanted = image.reshape(-1, image.shape[-1]).tolist()
        assert len(values) == len(wanted), f"{label}: {len(values)} pixels, not {len(wanted)}"
        wrong = [at for at in range(len(wanted)) if values[at] != wanted[at]]
        self.compared += image.size
        if wrong:
            self.mismatches += sum(
                mine != theirs
                for at in wrong
                for mine, theirs in zip(values[at], wanted[at], strict=True)
            )
            inputs.measured(compared=self.compared, mismatches=self.mismatches)
            at = wrong[0]
            raise AssertionError(
                f"{label}: {len(wrong)} of {len(wanted)} pixels wrong, "
                f"first {at}: {values[at]}, not {wanted[at]}"
            )
        return frame

    async def expect_good_frame(self) -> None:
        """A frame through an engine that should be in order."""
        self.send(self.arrays["frames"][0])
        await self.expect(self.arrays["expected"][0], "good frame")

    def check_status(self, *, short: bool = False, long: bool = False) -> None:
        """What the engine says of the frames it saw."""
        assert bool(self.dut.frame_short.value) == short, f"frame_short is not {short}"
        assert bool(self.dut.frame_long.value) == long, f"frame_long is not {long}"


@cocotb.test()
async def frames(dut: Any) -> None:
    """Frames back to back: every accumulator, and without stalls the schedule to the cycle."""
    engine = Engine(dut)
    await engine.start()
    images, expected = engine.arrays["frames"], engine.arrays["expected"]
    first_in = cocotb.start_soon(streams.accepted(dut, "s_axis"))
    began = time.monotonic()
    for image in images:
        engine.send(image)
    ends = []
    for index, image in enumerate(expected):
        frame = await engine.expect(image, f"frame {index}")
        if not index:
            first_out = frame.sim_time_start
        ends.append(frame.sim_time_end)
    engine.check_status()
    start = await first_in
    measured = {
        "cycles": streams.cycles(start, ends[-1]),
        "latency": streams.cycles(start, first_out),
        "intervals": [streams.cycles(*pair) for pair in itertools.pairwise(ends)],
    }
    inputs.measured(
        **measured,
        compared=engine.compared,
        mismatches=engine.mismatches,
        seconds=time.monotonic() - began,
    )
    if not engine.given["stalls"]:
        for name, value in engine.given["schedule"].items():
            assert measured[name] == value, f"{name}: {measured[name]}, predicted {value}"


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    """Reset drops what is under way; the frames after it are right."""
    engine = Engine(dut)
    await engine.start()
    beats = engine.given["in_beats"]
    for _ in range(2):
        engine.send(engine.arrays["frames"][-1])
    await streams.accepted(dut, "s_axis", engine.rng.randrange(1, 2 * beats))
    await engine.reset()
    if engine.loadable:
        await engine.load()
    for _ in range(2):
        await engine.expect_good_frame()
    engine.check_status()


@cocotb.test()
async def frame_cut_short(dut: Any) -> None:
    """TLAST early: a whole frame comes out, the missing beats as padding; the next is right."""
    engine = Engine(dut)
    await engine.start()
    engine.send(engine.arrays["frames"][0], beats=engine.given["cut_beats"])
    engine.send(engine.arrays["frames"][0])
    await engine.expect(engine.arrays["expected_cut"], "cut frame")
    engine.check_status(short=True)
    await engine.expect(engine.arrays["expected"][0], "frame behind it")
    engine.check_status(short=True)
    await engine.reset()


@cocotb.test()
async def frame_too_long(dut: Any) -> None:
    """TLAST late: surplus beats are dropped; this frame and the next are right."""
    engine = Engine(dut)
    await engine.start()
    image, expected = engine.arrays["frames"][0], engine.arrays["expected"][0]
    engine.send(image, extra=engine.rng.randrange(1, 2 * engine.given["in_beats"]))
    engine.send(image)
    await engine.expect(expected, "long frame")
    await engine.expect(expected, "frame behind it")
    engine.check_status(long=True)
    await engine.reset()


async def _refused(engine: Engine, words: NDArray[np.int64]) -> None:
    """A bad load is reported and leaves the engine not ready; the next good one recovers."""
    await engine.expect_good_frame()
    engine.send_load(words)
    await engine.until(lambda: engine.dut.cfg_error.value, "cfg_error")
    assert not engine.dut.cfg_loaded.value, "a bad load leaves cfg_loaded"
    engine.send(engine.arrays["frames"][0])
    await engine.refuses_frames()
    await engine.load()
    await engine.expect(engine.arrays["expected"][0], "frame behind the good load")
    engine.check_status()


@cocotb.test()
async def load_cut_short(dut: Any) -> None:
    """A load with words missing."""
    engine = Engine(dut)
    await engine.start()
    words = engine.arrays["load"]
    await _refused(engine, words[: engine.rng.randrange(1, len(words))])


@cocotb.test()
async def load_too_long(dut: Any) -> None:
    """A load with words too many."""
    engine = Engine(dut)
    await engine.start()
    words = engine.arrays["load"]
    await _refused(engine, np.concatenate([words, words[: engine.rng.randrange(1, 9)]]))


@cocotb.test()
async def load_of_most_negative_phi(dut: Any) -> None:
    """A load with the one phi word that no table holds."""
    engine = Engine(dut)
    await engine.start()
    words = engine.arrays["load"].copy()
    start, count = engine.given["phi_words"]
    words[start + engine.rng.randrange(count)] = -(1 << (engine.given["phi_bits"] - 1)) & 0xFFFFFFFF
    await _refused(engine, words)


@cocotb.test()
async def load_between_frames(dut: Any) -> None:
    """A load that waits while a frame comes in takes effect behind that frame, not before."""
    engine = Engine(dut)
    await engine.start()
    engine.source.clear_pause_generator()
    engine.source.pause = False
    engine.send(engine.arrays["frames"][0])
    engine.send(engine.arrays["frames"][0])
    await streams.accepted(dut, "s_axis")
    engine.source.pause = True
    engine.send_load(engine.arrays["load_other"])
    await ClockCycles(dut.clk, _SETTLE)
    engine.source.pause = False
    await engine.expect(engine.arrays["expected"][0], "frame before the load")
    await engine.expect(engine.arrays["expected_other"], "frame behind the load")
    assert dut.cfg_loaded.value, "a complete load leaves cfg_loaded low"
    assert not dut.cfg_error.value, "a complete load leaves cfg_error"
    engine.check_status()


@cocotb.test()
async def reset_forgets_load(dut: Any) -> None:
    """Behind a reset the engine waits for a load."""
    engine = Engine(dut)
    await engine.start()
    await engine.expect_good_frame()
    await engine.reset()
    assert not dut.cfg_loaded.value, "reset leaves cfg_loaded"
    engine.send(engine.arrays["frames"][0])
    await engine.refuses_frames()
    await engine.load()
    await engine.expect(engine.arrays["expected"][0], "frame behind the load")
