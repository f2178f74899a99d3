# amaranth: UnusedElaboratable=no
"""What PA is compared with computes what it should."""

import random

import numpy as np
import pytest
from hdl_bench import simulate

from hw.baselines.abc import AbcDot
from hw.baselines.multiply import multiply_dot
from hw.baselines.tables import (
    TABLES,
    abc_scales,
    abc_table,
    integer_table,
    rival_layer,
    sign_table,
    ternary_table,
    weight_levels,
)
from hw.baselines.xnor import XnorDot, XnorPe
from hw.dot_designs import component_design
from hw.proof_bits import Lanes, bits_of, lanes_of
from hw.proof_flow import gates
from hw.proof_miter import TOP
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
    some[0] = [(0, [(1 << simd) - 1] * pe)] * 5
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


def test_lanes_of_unknown_targets_are_refused():
    with pytest.raises(ValueError, match=r"target must be one of generic, .*, not 'pdp'"):
        XnorDot(simd=1, pe=1, taps=1, target="pdp")


@pytest.mark.parametrize(("simd", "pe", "table"), [(1, 1, ((3,),)), (5, 2, ((1, 2, 7), (4, 9, 5)))])
def test_equal_signs_of_all_bases_are_weighed(simd, pe, table):
    rng = random.Random(simd)
    m, n = len(table), len(table[0])
    dut = AbcDot(simd=simd, pe=pe, taps=5 * simd, table=table)
    ones = (1 << simd) - 1

    def bases(count):
        return [rng.getrandbits(simd) for _ in range(count)]

    def spell(act, weight):
        return pack(act, simd), pack([pack(each, simd) for each in weight], simd * m)

    some = elements(lambda: (bases(n), [bases(m) for _ in range(pe)]), rng)
    some[0] = [([0] * n, [[ones] * m] * pe)] * 5
    got = answers(
        dut, flagged(some, spell), latency=dut.latency, width=dut.config.acc_bits, signed=True
    )
    assert got == [dut.model(folds) for folds in some]
    assert got[0] == [5 * simd * sum(map(sum, table))] * pe


@pytest.mark.parametrize("target", ["xc7", "ecp5"])
def test_device_lanes_of_literal_abc_net_count_alike(target, tmp_path):
    """The Verilog with the cells of a device, gate by gate, on 64 random streams of folds."""
    simd, pe, table = 6, 2, ((1, 2, 7), (4, 9, 5))
    dut = AbcDot(simd=simd, pe=pe, taps=3 * simd, table=table, target=target)
    netlist = gates(component_design(dut, name=TOP).verilog, target, tmp_path)
    random = np.random.default_rng(1)
    simulation = Lanes(netlist, TOP, words=1, random=random)
    lanes, width = 64, dut.config.acc_bits
    folds = random.integers(0, 1 << simd, (3, 3 + 2 * pe, lanes))

    def cycle(act_and_weight, **flags):
        act, weight = act_and_weight[:3], act_and_weight[3:]
        for port, codes in (("act", act), ("weight", weight)):
            simulation.drive(port, np.concatenate([lanes_of(code, simd) for code in codes]))
        for flag in ("rst", "valid", "first", "last"):
            simulation.drive(flag, lanes_of(np.full(lanes, flags.get(flag, 0)), 1))
        simulation.settle()
        simulation.clock()

    cycle(folds[0], rst=1)
    for number, fold in enumerate(folds):
        cycle(fold, valid=1, first=number == 0, last=number == 2)
    for _ in range(dut.latency - 1):
        cycle(folds[0])
    simulation.settle()
    assert bits_of(simulation.read("o_valid")[0]).all()
    bits = np.stack([bits_of(row) for row in simulation.read("acc")])
    for lane in range(lanes):
        acc = sum(int(bit) << place for place, bit in enumerate(bits[:, lane]))
        streams = [
            (fold[:3, lane].tolist(), fold[3:, lane].reshape(pe, 2).tolist()) for fold in folds
        ]
        assert unpack(acc, width, pe, signed=True) == dut.model(streams)


def test_literal_abc_net_and_its_table_are_one_sum():
    """``2 acc - taps * sum`` of the signs is the sum of levels times levels."""
    table = ((3, 5), (6, 10))
    alpha, beta = (1, 2), (3, 5)
    dot = AbcDot(simd=4, pe=1, taps=4, table=table)
    weight_codes, act_codes = [0, 1, 2, 2], [2, 0, 1, 2]

    def signs(codes):
        return [sum((code > base) << lane for lane, code in enumerate(codes)) for base in (0, 1)]

    def level(scales, code):
        return sum(scale if code > base else -scale for base, scale in enumerate(scales))

    opposite = [~word & 0b1111 for word in signs(weight_codes)]
    [acc] = dot.model([(signs(act_codes), [opposite])])
    products = [
        level(alpha, w) * level(beta, a) for w, a in zip(weight_codes, act_codes, strict=True)
    ]
    assert 2 * acc - 4 * sum(map(sum, table)) == sum(products)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"simd": 0}, "simd must be at least 1, not 0"),
        ({"taps": 0}, "in_channels must be at least 1, not 0"),
        ({"target": "pdp"}, "target must be one of generic, .*, not 'pdp'"),
        ({"table": ((1, 0),)}, "table must hold positive integers, equally many a row"),
        ({"table": ((1, 2), (3,))}, "table must hold positive integers, equally many a row"),
    ],
)
def test_literal_abc_net_is_checked(wrong, message):
    with pytest.raises(ValueError, match=message):
        AbcDot(**{"simd": 1, "pe": 1, "taps": 1, "table": ((1,),), **wrong})


@pytest.mark.parametrize(("bits", "act_bits"), [(3, 3), (4, 4), (8, 8), (8, 3)])
def test_products_are_summed(bits, act_bits):
    rng = random.Random(bits)
    given = None if bits == act_bits else act_bits
    dut = multiply_dot(bits=bits, act_bits=given, simd=4, pe=2, channels=8)
    limit = 1 << (bits - 1)

    def draw():
        weights = [rng.randrange(-limit, limit) for _ in range(8)]
        return [rng.getrandbits(act_bits) for _ in range(4)], weights

    some = elements(draw, rng)
    got = answers(
        dut,
        flagged(some, lambda act, weight: (pack(act, act_bits), pack(weight, bits))),
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


def test_ternary_weights_multiply():
    assert ternary_table(2).tolist() == [[0, 0, 0, 0], [0, 1, 2, 3], [0, -1, -2, -3]]


def test_levels_of_abc_net():
    """``c`` of the bases are +1; activations count from the lowest level."""
    a1, a2 = abc_scales(2, 1)
    [b1] = abc_scales(1, 2)
    exact = np.outer([-a1 - a2, a1 - a2, a1 + a2], [0, 2 * b1])
    scaled = np.rint(exact / np.abs(exact).max() * 127)
    assert abc_table(2, 1).tolist() == scaled.tolist()
    assert abc_table(5, 5).shape == (6, 6)
    assert not abc_table(5, 5)[:, 0].any()
    assert min(abc_scales(7, 1)) >= 0.3


@pytest.mark.parametrize(
    ("kind", "phi_bits"),
    [("int2", 4), ("int3", 6), ("int4", 8), ("w8a3", 11), ("ternary2", 3), ("ternary3", 4),
     ("abc5x5", 8)],
)  # fmt: skip
def test_products_take_as_many_bits_as_they_need(kind, phi_bits):
    config, parameters = rival_layer(kind, **SHAPE)
    assert config.phi_bits == phi_bits
    assert parameters.acc_range() == config.acc_range
    assert parameters.phi.tolist() == TABLES[kind]().tolist()
    assert parameters.codes.max() <= config.m


def test_an_unknown_table_is_refused():
    with pytest.raises(ValueError, match=r"kind must be one of int2, .*, not 'int9'"):
        rival_layer("int9", **SHAPE)
