# amaranth: UnusedElaboratable=no
"""The memory behaves alike in Amaranth's simulator and in the Verilog written for it."""

import random
import re

import pytest
from amaranth.sim import Simulator

from pa_hdl.emit import ModuleLibrary
from pa_hdl.memory import Ram


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"depth": 0, "width": 3}, ValueError, "depth must be at least 1, not 0"),
        ({"depth": 2.0, "width": 3}, TypeError, r"depth must be an integer, not 2\.0"),
        ({"depth": True, "width": 3}, TypeError, "depth must be an integer, not True"),
        ({"depth": 4, "width": 0}, ValueError, "width must be at least 1, not 0"),
        ({"depth": 4, "width": 3, "latency": 3}, ValueError, "latency must be 1 or 2, not 3"),
        ({"depth": 4, "width": 3, "latency": True}, ValueError, "latency must be 1 or 2, not True"),
        ({"depth": 4, "width": 3, "name": "a b"}, ValueError, "identifier, not 'a b'"),
        ({"depth": 4, "width": 3, "init": [8]}, ValueError, "must fit 3 bits, not 8"),
        ({"depth": 4, "width": 3, "init": [-1]}, ValueError, "must fit 3 bits, not -1"),
        ({"depth": 1, "width": 3, "init": [1, 2]}, ValueError, "holds 1 words, not 2"),
        ({"depth": 4, "width": 3, "writable": False}, ValueError, "needs contents, not None"),
    ],
)
def test_rejects(arguments, error, message):
    with pytest.raises(error, match=message):
        Ram(**({"name": "ram", "writable": "init" not in arguments} | arguments))


@pytest.mark.parametrize("latency", [1, 2])
@pytest.mark.parametrize(("depth", "width"), [(1, 1), (5, 9), (16, 40)])
def test_reads_contents_late(depth, width, latency):
    draw = random.Random(depth)
    contents = [draw.getrandbits(width) for _ in range(max(1, depth - 1))]
    dut = Ram(depth=depth, width=width, init=contents, latency=latency, name="rom")

    async def check(ctx):
        for address in range(depth + latency):
            ctx.set(dut.read_addr, address % depth)
            if address >= latency:
                assert ctx.get(dut.read_data) == dut.model(address - latency)
            await ctx.tick()

    _simulate(dut, check)


def test_written_words_are_read():
    dut = Ram(depth=6, width=7, writable=True, name="ram")
    draw = random.Random(1)

    async def check(ctx):
        stored = {}
        for _ in range(60):
            address, word, enable = draw.randrange(6), draw.getrandbits(7), draw.getrandbits(1)
            ctx.set(dut.write_addr, address)
            ctx.set(dut.write_data, word)
            ctx.set(dut.write_en, enable)
            others = [other for other in stored if other != address]
            seen = draw.choice(others) if others else None
            ctx.set(dut.read_addr, seen or 0)
            await ctx.tick()
            if enable:
                stored[address] = word
            if seen is not None:
                assert ctx.get(dut.read_data) == stored[seen]

    _simulate(dut, check)


def _simulate(dut, testbench):
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run_until(1e-3)


def test_contents_go_to_a_file_of_literal_name():
    library = ModuleLibrary(prefix="pa")
    text = Ram(depth=3, width=6, init=[1, 63], name="rom").as_verilog(library, "pa_rom")
    assert library.memories == {"pa_rom.mem": "01\n3f\n00\n"}
    assert '$readmemh("pa_rom.mem", words);' in text


def test_a_second_register_stands_behind_the_first():
    library = ModuleLibrary(prefix="pa")
    text = Ram(depth=3, width=6, init=[1], latency=2, name="rom").as_verilog(library, "pa_rom")
    assert "a word follows its address by two cycles" in text
    assert "word <= words[read_addr];\n    read_data <= word;" in text


def test_contents_inlined():
    library = ModuleLibrary(prefix="pa", inline_memories=True)
    text = Ram(depth=3, width=6, init=[1, 63], name="rom").as_verilog(library, "pa_rom")
    assert library.memories == {}
    assert re.findall(r"words\[(\d)\] = 6'h(\w+);", text) == [("0", "01"), ("1", "3f"), ("2", "00")]
