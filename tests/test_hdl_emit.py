# amaranth: UnusedElaboratable=no
"""Every distinct component is written once, under the prefix, with the same bytes each time."""

import re

import pytest
from amaranth.hdl import Module, signed
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl import emit
from pa_hdl.emit import EmissionError, ModuleLibrary, add_submodule
from pa_hdl.memory import Ram

STREAM = stream.Signature(data.StructLayout({"data": data.ArrayLayout(signed(3), 2), "last": 1}))


class Step(wiring.Component):
    """Add a constant, one cycle late."""

    def __init__(self, *, amount):
        self.amount = amount
        super().__init__({"i": In(8), "o": Out(8)})

    @property
    def module_key(self):
        return self.amount

    module_name = "step"

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(self.i + self.amount)
        return m


class Wire(wiring.Component):
    """Hand a stream on; no clock, and a zero-width port."""

    module_key = ()
    module_name = "wire"

    def __init__(self):
        super().__init__({"i": In(STREAM), "o": Out(STREAM), "none": In(0)})

    def elaborate(self, platform):
        m = Module()
        wiring.connect(m, wiring.flipped(self.i), wiring.flipped(self.o))
        return m


class Chain(wiring.Component):
    """Steps in a row, a FIFO and a memory at the end."""

    module_name = "chain"

    def __init__(self, *, amounts):
        self.amounts = amounts
        super().__init__({"i": In(8), "o": Out(8), "s": Out(STREAM), "t": Out(5)})

    @property
    def module_key(self):
        return tuple(self.amounts)

    def elaborate(self, platform):
        m = Module()
        value = self.i
        for index, amount in enumerate(self.amounts):
            step = Step(amount=amount)
            add_submodule(m, platform, f"step_{index}", step)
            m.d.comb += step.i.eq(value)
            value = step.o
        rom = Ram(depth=4, width=5, init=[3, 1, 4, 1], name="rom")
        add_submodule(m, platform, "rom", rom)
        queue = Wire()
        add_submodule(m, platform, "queue", queue)
        m.submodules.buffer = buffer = fifo.SyncFIFOBuffered(width=8, depth=4)
        m.d.comb += [
            buffer.w_data.eq(value),
            buffer.w_en.eq(self.i[0]),
            buffer.r_en.eq(1),
            self.o.eq(buffer.r_data),
            rom.read_addr.eq(self.i[:2]),
            self.t.eq(rom.read_data),
            queue.i.p.last.eq(self.i[1]),
            queue.i.p.data[1].eq(self.i[:2].as_signed()),
            queue.i.valid.eq(buffer.r_rdy),
        ]
        wiring.connect(m, queue.o, wiring.flipped(self.s))
        return m


def emitted(prefix="pa", **options):
    library = ModuleLibrary(prefix=prefix, **options)
    library.add_top(Chain(amounts=[1, 2, 1, 1]))
    return library, library.verilog()


def test_each_distinct_component_once():
    _library, text = emitted()
    modules = re.findall(r"^module (\S+?) ?\(", text, re.MULTILINE)
    assert sorted(modules) == [
        "pa", "pa_buffer", "pa_rom", "pa_step", "pa_step_2", "pa_wire",
    ]  # fmt: skip
    places = re.findall(r"^  pa_step(?:_2)? (\w+) \(", text, re.MULTILINE)
    assert sorted(places) == [f"step_{index}" for index in range(4)]


def test_same_bytes_each_time():
    assert emitted()[1] == emitted()[1]


def test_no_escaped_names_and_no_processes():
    _library, text = emitted()
    assert "\\" not in text
    assert "always @*" not in text


def test_memories_beside_or_inside():
    library, text = emitted(prefix="other")
    assert library.memories == {"other_rom.mem": "03\n01\n04\n01\n"}
    assert '$readmemh("other_rom.mem"' in text
    library, text = emitted(inline_memories=True)
    assert library.memories == {}
    assert "$readmemh" not in text


def test_ordinary_submodule_without_a_library():
    m = Module()
    step = Step(amount=1)
    add_submodule(m, None, "step", step)
    assert m.submodules.step is step


@pytest.mark.parametrize("prefix", ["", "1x", "a-b", "a b", "ä", "module", "logic"])
def test_rejects_prefix(prefix):
    with pytest.raises(ValueError, match=f"identifier, not {prefix!r}"):
        ModuleLibrary(prefix=prefix)


def test_rejects_prefix_of_another_type():
    with pytest.raises(TypeError, match="must be a string, not 3"):
        ModuleLibrary(prefix=3)


def test_failure_of_yosys_is_an_error():
    with pytest.raises(EmissionError, match="nonsense"):
        emit._run_yosys("nonsense")
