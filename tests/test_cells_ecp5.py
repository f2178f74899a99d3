# amaranth: UnusedElaboratable=no
"""Adders and lookups of the ECP5: proven equal to their portable forms, which match the model."""

import random

import pytest
from amaranth.hdl import Module, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from ecp5_bench import prove_equal
from hdl_bench import outputs_of

from hw.flow import FlowError
from pa_hdl.cells.ecp5 import Ecp5StartAdder, Ecp5XorAdder, StartAdder, XorAdder, place_lookup
from pa_hdl.parameters import pack
from pa_hdl.popcount import add_lookup

ADDERS = [
    {"a": unsigned(1), "b": unsigned(1), "bits": 2},
    {"a": unsigned(7), "b": unsigned(7), "bits": 8, "a_parts": 2, "b_parts": 2},
    {"a": unsigned(5), "b": unsigned(8), "bits": 9, "a_parts": 2},
    {"a": unsigned(7), "b": unsigned(8), "bits": 9, "b_parts": 2, "spare": 0x1B2E},
    {"a": signed(6), "b": signed(9), "bits": 10, "b_parts": 2},
    {"a": unsigned(11), "b": signed(12), "bits": 11},
]
STARTS = [
    {"i": unsigned(3), "bits": 5},
    {"i": signed(4), "bits": 9, "start": 0x155, "i_parts": 2},
    {"i": unsigned(12), "bits": 8, "start": 0xA7},
]


class Lookup(wiring.Component):
    """A table, as synthesis maps it or as LUT4s."""

    def __init__(self, values, *, placed):
        self.values, self.placed = values, placed
        self.bits = max(values).bit_length()
        super().__init__({"i": In((len(values) - 1).bit_length()), "o": Out(self.bits)})

    @property
    def module_key(self):
        return (tuple(self.values), self.placed)

    @property
    def module_name(self):
        return "lookup"

    def elaborate(self, platform):
        m = Module()
        if self.placed:
            found = place_lookup(m, "look", self.i, self.values, self.bits)
        else:
            found = add_lookup(m, "look", self.i, self.values, unsigned(self.bits))
        m.d.comb += self.o.eq(found)
        return m


def tables():
    rng = random.Random(1)
    for bits in range(1, 5):
        yield [rng.randrange(128) for _ in range(1 << bits)]
    # Constant bits, equal bits, and copies of an index bit.
    yield [0x10 | (at & 1) * 3 | (at >> 3) << 5 for at in range(16)]


def device_pairs():
    return [
        *((XorAdder(**each), Ecp5XorAdder(**each)) for each in ADDERS),
        *((StartAdder(**each), Ecp5StartAdder(**each)) for each in STARTS),
        *((Lookup(each, placed=False), Lookup(each, placed=True)) for each in tables()),
    ]


@pytest.mark.parametrize("model", ["ours", "yosys"])
def test_device_cells_equal_their_portable_forms(model, tmp_path):
    prove_equal(device_pairs(), model, tmp_path)


@pytest.mark.parametrize("change", [("16'h6996", "16'h6994"), (".INIT(16'h", ".INIT(~16'h")])
def test_a_broken_bit_is_found(change, tmp_path):
    pairs = [device_pairs()[1], device_pairs()[-2]]
    with pytest.raises(FlowError, match="proof did fail"):
        prove_equal(pairs, "ours", tmp_path, change=change)


@pytest.mark.parametrize("options", ADDERS)
def test_adder_matches_model(options):
    dut = XorAdder(**options)
    rng = random.Random(1)
    inputs, expected = [], []
    for _ in range(100):
        parts = {}
        for name, shape, count in (
            ("a", dut.a_shape, dut.a_parts),
            ("b", dut.b_shape, dut.b_parts),
        ):
            limit = 1 << (shape.width - shape.signed)
            parts[name] = [
                rng.randrange(-limit if shape.signed else 0, limit) for _ in range(count)
            ]
        expected.append(dut.model(**parts))
        shapes = {"a": dut.a_shape, "b": dut.b_shape}
        inputs.append({k: pack(values, shapes[k].width) for k, values in parts.items()})
    assert outputs_of(dut, inputs, "o", 0) == expected


@pytest.mark.parametrize("options", STARTS)
def test_accumulator_matches_model(options):
    dut = StartAdder(**options)
    rng = random.Random(2)
    limit = 1 << (dut.i_shape.width - dut.i_shape.signed)
    inputs, expected = [], []
    for _ in range(100):
        acc, first = rng.randrange(1 << dut.bits), rng.randrange(2)
        lowest = -limit if dut.i_shape.signed else 0
        parts = [rng.randrange(lowest, limit) for _ in range(dut.i_parts)]
        expected.append(dut.model(acc, parts, first))
        inputs.append({"acc": acc, "i": pack(parts, dut.i_shape.width), "first": first})
    assert outputs_of(dut, inputs, "o", 0) == expected


def test_wrong_parameters_are_quoted():
    with pytest.raises(ValueError, match="a_parts must be 1 to 2, not 3"):
        XorAdder(a=1, b=1, bits=2, a_parts=3)
    with pytest.raises(ValueError, match="b_parts must be 1 to 2, not 0"):
        XorAdder(a=1, b=1, bits=2, b_parts=0)
    with pytest.raises(ValueError, match="bits must be 1 to 64, not 65"):
        XorAdder(a=1, b=1, bits=65)
    with pytest.raises(ValueError, match="bits must be odd beside a spare LUT4, not 4"):
        XorAdder(a=1, b=1, bits=4, spare=1)
    with pytest.raises(ValueError, match="spare must be 0 to 65535, not -1"):
        XorAdder(a=1, b=1, bits=5, spare=-1)
    with pytest.raises(ValueError, match="i_parts must be 1 to 2, not 5"):
        StartAdder(i=1, bits=2, i_parts=5)
    with pytest.raises(ValueError, match="start must be 0 to 15, not 16"):
        StartAdder(i=1, bits=4, start=16)
    with pytest.raises(TypeError, match=r"bits must be an integer, not 2\.5"):
        StartAdder(i=1, bits=2.5)
    with pytest.raises(ValueError, match="at most 4 bits, not 32 for 5 bits"):
        Lookup([1] * 32, placed=True).elaborate(None)
