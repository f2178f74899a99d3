# amaranth: UnusedElaboratable=no
"""Counters, sums and lookups: exhaustive when small, seeded random when large."""

import random

import pytest
from amaranth.hdl import Module, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hdl_bench import outputs_of

from pa_hdl.popcount import AndPopcount, Popcount, SumTree, add_lookup, delay, range_shape


def words(bits, seed, *, count=60):
    if bits <= 5:
        return list(range(1 << bits))
    rng = random.Random(seed)
    return [0, (1 << bits) - 1, *(rng.getrandbits(bits) for _ in range(count))]


@pytest.mark.parametrize("bits", [1, 2, 3, 5, 6, 7, 13, 32, 255])
def test_popcount_matches_model(bits):
    dut = Popcount(bits=bits)
    vectors = words(bits, seed=bits)
    got = outputs_of(dut, [{"i": word} for word in vectors], "o", dut.latency)
    assert got == [dut.model(word) for word in vectors]
    assert got == [bin(word).count("1") for word in vectors]


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 7, 9, 10, 32, 65])
def test_and_popcount_matches_model(bits, exclusive):
    dut = AndPopcount(bits=bits, exclusive=exclusive)
    pairs = [(a, w) for a in words(bits, seed=1) for w in words(bits, seed=2, count=4)]
    got = outputs_of(dut, [{"act": a, "weight": w} for a, w in pairs], "o", dut.latency)
    assert got == [dut.model(*pair) for pair in pairs]
    assert got == [bin(a ^ w if exclusive else a & w).count("1") for a, w in pairs]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 20])
def test_sum_tree_matches_model_at_the_ends_of_its_ranges(count):
    rng = random.Random(count)
    limits = [(-rng.randrange(50), rng.randrange(50)) for _ in range(count)]

    def bound(start, end):
        return tuple(sum(pair[side] for pair in limits[start:end]) for side in (0, 1))

    dut = SumTree(terms=count, bound=bound)
    vectors = [[low for low, _ in limits], [high for _, high in limits]]
    vectors += [[rng.randint(*pair) for pair in limits] for _ in range(40)]
    layout = dut.i.shape()
    inputs = [
        {"i": layout.const({str(k): v for k, v in enumerate(terms)}).as_bits()} for terms in vectors
    ]
    got = outputs_of(dut, inputs, "o", dut.latency)
    assert got == [dut.model(terms) for terms in vectors] == [sum(terms) for terms in vectors]
    assert len(dut.o) == range_shape(*bound(0, count)).width


class Lookup(wiring.Component):
    def __init__(self, values, shape):
        self.values, self.shape = values, shape
        super().__init__({"i": In(range(len(values))), "o": Out(shape)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(add_lookup(m, "table", self.i, self.values, self.shape))
        return m


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ([3], unsigned(2)),
        ([5, 5], unsigned(3)),
        ([-37 * value for value in range(64)], signed(13)),
        ([value * value % 19 for value in range(32)], unsigned(5)),
    ],
)
def test_lookup_is_its_table(values, shape):
    inputs = [{"i": index} for index in range(len(values))]
    assert outputs_of(Lookup(values, shape), inputs, "o", 0) == values


class Delayed(wiring.Component):
    i: In(4)
    o: Out(4)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(delay(m, "value", self.i, 3))
        return m


def test_delay():
    assert outputs_of(Delayed(), [{"i": value} for value in range(9)], "o", 3) == list(range(9))


@pytest.mark.parametrize("component", [Popcount, AndPopcount])
def test_bit_counts_are_positive_integers(component):
    with pytest.raises(ValueError, match="Bit count must be at least 1, not 0"):
        component(bits=0)
    with pytest.raises(TypeError, match=r"Bit count must be an integer, not 1\.5"):
        component(bits=1.5)


def test_equal_components_share_a_key():
    assert Popcount(bits=3).module_key == Popcount(bits=3).module_key
    assert AndPopcount(bits=3).module_key != AndPopcount(bits=4).module_key
