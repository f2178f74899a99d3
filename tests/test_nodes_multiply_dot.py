# amaranth: UnusedElaboratable=no
"""Zero points, multipliers and adders against their models, cycle by cycle."""

import numpy as np
import pytest
from hdl_bench import outputs_of, simulate

from pa_hdl.nodes.multiply_config import MultiplyConfig
from pa_hdl.nodes.multiply_dot import MultiplyDot, MultiplyPe, ZeroPoint
from pa_hdl.parameters import pack, unpack

PLAIN = dict(in_channels=4, out_channels=4, height=3, width=3, simd=2, pe=2, act_bits=4)
CONFIGS = {
    "constant": dict(zero=(5, 2, 5, 2)),
    "by fold": dict(zero=(5, -2, 0, 15)),
    "none": dict(),
    "signed": dict(act_signed=True, zero=(-8, 0, 7, 1)),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_differences_match_model(name):
    config = MultiplyConfig(**PLAIN, **CONFIGS[name])
    dut = ZeroPoint(config=config)
    assert dut.latency(config) == (2 if name in ("by fold", "signed") else 1)
    inputs, expected = [], []
    low, high = config.act_range
    for first in range(low, high + 1):
        for fold, padding in ((0, 0), (1, 0), (1, 1)):
            acts = [first, high + low - first]
            inputs.append({"act": pack(acts, 4), "fold": fold, "padding": padding, "valid": 1})
            expected.append(pack(dut.model(acts, fold, bool(padding)), config.code_bits))
    assert outputs_of(dut, inputs, "codes", dut.latency(config)) == expected
    assert outputs_of(dut, inputs[:2], "o_valid", dut.latency(config)) == [1, 1]


def random_folds(config, rng, count):
    low, high = config.code_range
    limit = 1 << (config.weight_bits - 1)
    return [
        (
            rng.integers(low, high, config.simd, endpoint=True).tolist(),
            rng.integers(-limit, limit, config.pe * config.products).tolist(),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(act_signed=True, simd=4, weight_bits=3),
        dict(simd=1, pe=4, zero=(3, 0, 0, 0)),
        dict(groups=4),
        dict(groups=2, simd=1),
    ],
)
def test_sums_match_model(options):
    config = MultiplyConfig(**(PLAIN | options))
    dut = MultiplyDot(config=config)
    rng = np.random.default_rng(3)
    outputs = [random_folds(config, rng, int(rng.integers(1, 6))) for _ in range(30)]
    latency, got, ends = dut.latency(config), [], []

    async def feed(ctx):
        cycle = 0
        for folds in outputs:
            for index, (act, weight) in enumerate(folds):
                while rng.random() < 0.3:
                    ctx.set(dut.valid, 0)
                    await ctx.tick()
                    cycle += 1
                ctx.set(dut.valid, 1)
                ctx.set(dut.first, index == 0)
                ctx.set(dut.last, index == len(folds) - 1)
                ctx.set(dut.act.as_value(), pack(act, config.code_bits))
                ctx.set(dut.weight.as_value(), pack(weight, config.weight_bits))
                await ctx.tick()
                cycle += 1
            ends.append(cycle - 1 + latency)
        ctx.set(dut.valid, 0)
        await ctx.tick().repeat(latency + 2)

    async def drain(ctx):
        cycle = 0
        while True:
            *_, valid, acc = await ctx.tick().sample(dut.o_valid, dut.acc.as_value())
            if valid:
                got.append((cycle, unpack(acc, config.acc_bits, config.pe, signed=True)))
            cycle += 1

    simulate(dut, feed, background=(drain,))
    assert got == list(zip(ends, map(dut.model, outputs), strict=True))


def test_a_pe_is_the_dot_product_of_one_channel():
    config = MultiplyConfig(**PLAIN)
    pe, dot = MultiplyPe(config=config), MultiplyDot(config=config)
    folds = random_folds(config, np.random.default_rng(4), 5)
    assert dot.model(folds)[1] == pe.model([(act, weight[2:]) for act, weight in folds])


def test_a_sum_needs_no_more_bits_than_the_accumulator():
    config = MultiplyConfig(**PLAIN, acc_min=-3, acc_max=100)
    pe = MultiplyPe(config=config)
    assert config.product_range == (-128 * 15, 127 * 15)
    assert pe.bound(0, 1) == pe.bound(0, 2) == (-3, 100)
    wide = MultiplyPe(config=MultiplyConfig(**PLAIN))
    assert wide.bound(0, 2) == (-128 * 30, 127 * 30)
