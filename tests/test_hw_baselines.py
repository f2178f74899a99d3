# amaranth: UnusedElaboratable=no
"""What PA is compared with computes what it should."""

import random

import numpy as np
import pytest
from hdl_bench import simulate

from hw.baselines.multiply import multiply_dot
from hw.baselines.tables import integer_layer, integer_table, sign_table, weight_levels
from hw.baselines.xnor import XnorDot, XnorPe
from pa_hdl.parameters import pack, unpack

SHAPE = dict(in_channels=6, out_channels=4, height=4, width=4, simd=3, pe=2)


def answers(dut, folds, *, latency, width, signed):
    """Accumulators after each output element; ``folds`` are (act, weight, first, last) bits."""
    got = []

    async def feed(ctx):
        rng = random.Random(1)
        for act, weight, first, last in folds:
            while rng.random() < 0.3:
                await ctx.tick()
            for port, value in (("act", act), ("weight", weight)):
                member = getattr(dut, port)
                ctx.set(getattr(member, "as_value", lambda member=member: member)(), value)
            for port, value in (("first", first), ("last", last), ("valid", 1)):
                ctx.set(getattr(dut, port), value)
            await ctx.tick()
            ctx.set(dut.valid, 0)
        await ctx.tick().repeat(latency + 1)

    async def drain(ctx):
        while True:
            *_, valid, acc = await ctx.tick().sample(dut.o_valid, dut.acc.as_value())
            if valid:
                got.append(unpack(acc, width, len(dut.acc), signed=signed))

    simulate(dut, feed, background=(drain,))
    return got


def elements(draw, rng, count=12):
    """Output elements of one to five folds each."""
    return [[draw() for _ in range(rng.randint(1, 5))] for _ in range(count)]


def flagged(some, spell):
    return [
        (*spell(*fold), index == 0, index == len(folds) - 1)
        for folds in some
        for index, fold in enumerate(folds)
    ]


@pytest.mark.parametrize(("simd", "pe"), [(1, 1), (4, 2), (13, 3), (32, 1)])
def test_equal_signs_are_counted(simd, pe):
    rng = random.Random(simd)
    dut = XnorDot(simd=simd, pe=pe, taps=5 * simd)

    def draw():
        return rng.getrandbits(simd), [rng.getrandbits(simd) for _ in range(pe)]

    some = elements(draw, rng)
    some[0] = [(0, [0] * pe)] * 5
    got = answers(
        dut,
        flagged(some, lambda act, weight: (act, pack(weight, simd))),
        latency=dut.latency,
        width=(5 * simd).bit_length(),
        signed=False,
    )
    assert got == [dut.model(folds) for folds in some]
    assert got[0] == [5 * simd] * pe
    each = [XnorPe(simd=simd, taps=9).model([(a, w[0]) for a, w in folds]) for folds in some]
    assert each == [counts[0] for counts in got]


@pytest.mark.parametrize("name", ["simd", "pe", "taps"])
@pytest.mark.parametrize("value", [0, -1, 2.5, True])
def test_counts_of_lanes_are_positive_integers(name, value):
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1, not {value!r}"):
        XnorDot(**{"simd": 1, "pe": 1, "taps": 1, name: value})


@pytest.mark.parametrize("bits", [3, 4, 8])
def test_products_are_summed(bits):
    rng = random.Random(bits)
    dut = multiply_dot(bits=bits, simd=4, pe=2, channels=8)
    limit = 1 << (bits - 1)

    def draw():
        weights = [rng.randrange(-limit, limit) for _ in range(8)]
        return [rng.randrange(2 * limit) for _ in range(4)], weights

    some = elements(draw, rng)
    got = answers(
        dut,
        flagged(some, lambda act, weight: (pack(act, bits), pack(weight, bits))),
        latency=dut.latency(dut.config),
        width=dut.config.acc_bits,
        signed=True,
    )
    assert got == [dut.model(folds) for folds in some]


def test_levels_are_twos_complement():
    assert weight_levels(1).tolist() == [0, -1]
    assert weight_levels(3).tolist() == [0, 1, 2, 3, -4, -3, -2, -1]
    with pytest.raises(ValueError, match="bits must be 1 to 8, not 9"):
        weight_levels(9)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_a_table_is_all_products(bits):
    table = integer_table(bits)
    assert table.shape == (1 << bits, 1 << bits)
    for weight in range(1 << bits):
        value = weight - (weight >> (bits - 1) << bits)
        assert table[weight].tolist() == [value * act for act in range(1 << bits)]


def test_signs_multiply():
    assert sign_table().tolist() == [[1, -1], [-1, 1]]


@pytest.mark.parametrize(("bits", "phi_bits"), [(2, 4), (3, 6), (4, 8)])
def test_products_take_as_many_bits_as_they_need(bits, phi_bits):
    config, parameters = integer_layer(bits, **SHAPE)
    assert config.phi_bits == phi_bits
    assert parameters.acc_range() == config.acc_range
    assert np.unique(parameters.codes).tolist() == list(range(1 << bits))
