# amaranth: UnusedElaboratable=no
"""Dot products against the direct sum of a table lookup a tap."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hdl_bench import simulate

from pa_hdl.config import EngineConfig
from pa_hdl.datapaths.popcount import PhiStore, PopcountDot
from pa_hdl.dot import create
from pa_hdl.emit import ModuleLibrary
from pa_hdl.parameters import LayerParameters, pack, unpack


def configuration(*, simd, m, n, pe, base, loadable):
    return EngineConfig(
        in_channels=simd, out_channels=pe, height=4, width=4, m=m, n=n, simd=simd, pe=pe,
        base=base, loadable=loadable,
    )  # fmt: skip


def random_sums(config, phi, seed, *, count=30):
    """Folds with their flags, and the accumulators of each sum; extremes first."""
    rng = random.Random(seed)
    folds, expected, sums = [], [], []
    while len(folds) < count:
        extreme = len(folds) < 2
        act = [config.n if extreme else rng.randint(0, config.n) for _ in range(config.simd)]
        worst = int(np.argmax(np.abs(phi[:, config.n])))
        weight = [
            worst if extreme else rng.randint(0, config.m) for _ in range(config.simd * config.pe)
        ]
        first, last = not sums, rng.random() < 0.3 or len(folds) == count - 1
        folds.append((act, weight, first, last))
        sums.append((act, weight))
        if last:
            simd = config.simd
            expected.append(
                [
                    sum(
                        int(phi[w, a])
                        for act, weight in sums
                        for w, a in zip(weight[p * simd : (p + 1) * simd], act, strict=True)
                    )
                    for p in range(config.pe)
                ]
            )
            sums = []
    return folds, expected


def run(dut, config, folds, setup=None):
    got = []

    async def feed(ctx):
        rng = random.Random(1)
        if setup:
            await setup(ctx)
        for act, weight, first, last in folds:
            while rng.random() < 0.3:
                await ctx.tick()
            ctx.set(dut.act.as_value(), pack(act, config.code_bits))
            ctx.set(dut.weight.as_value(), pack(weight, config.weight_code_bits))
            for port, value in (("first", first), ("last", last), ("valid", 1)):
                ctx.set(getattr(dut, port), value)
            await ctx.tick()
            ctx.set(dut.valid, 0)
        await ctx.tick().repeat(type(dut).latency(config) + 1)

    async def drain(ctx):
        while True:
            *_, valid, acc = await ctx.tick().sample(dut.o_valid, dut.acc.as_value())
            if valid:
                got.append(unpack(acc, config.acc_bits, config.pe, signed=True))

    simulate(dut, feed, background=(drain,))
    return got


SHAPES = [
    dict(simd=1, m=1, n=1, pe=1),
    dict(simd=5, m=4, n=5, pe=2),
    dict(simd=13, m=2, n=3, pe=1),
    dict(simd=70, m=2, n=2, pe=1),  # counts of more than six bits
]


@pytest.mark.parametrize("base", ["onehot", "thermometer"])
@pytest.mark.parametrize("shape", SHAPES)
def test_baked_matches_the_direct_sum(shape, base):
    config = configuration(**shape, base=base, loadable=False)
    parameters = LayerParameters.seeded(config, seed=3)
    folds, expected = random_sums(config, parameters.phi, seed=4)
    assert run(create(config, parameters), config, folds) == expected


@pytest.mark.parametrize("base", ["onehot", "thermometer"])
@pytest.mark.parametrize("shape", SHAPES[:3])
def test_loaded_matches_the_direct_sum(shape, base):
    config = configuration(**shape, base=base, loadable=True)
    phi = LayerParameters.seeded(config, seed=5).phi
    dut = create(config)

    async def load(ctx):
        for index, entry in enumerate(phi[1:, 1:].ravel().tolist()):
            ctx.set(dut.phi_en, 1)
            ctx.set(dut.phi_index, index)
            ctx.set(dut.phi_data, entry)
            await ctx.tick()
        ctx.set(dut.phi_en, 0)
        await ctx.tick().repeat(3)

    folds, expected = random_sums(config, phi, seed=6)
    assert run(dut, config, folds, load) == expected


@pytest.mark.parametrize("base", ["onehot", "thermometer"])
def test_model_matches_the_direct_sum(base):
    config = configuration(**SHAPES[1], base=base, loadable=False)
    parameters = LayerParameters.seeded(config, seed=7)
    act, weight = [0, 1, 2, 3, 5], [4, 3, 2, 1, 0, 1, 1, 2, 2, 4]
    expected = [
        sum(int(parameters.phi[w, a]) for w, a in zip(weight[p : p + 5], act, strict=True)) * 2
        for p in (0, 5)
    ]
    assert PopcountDot(config=config, parameters=parameters).model([(act, weight)] * 2) == expected


def test_store_models_the_differences():
    config = configuration(**SHAPES[2], base="thermometer", loadable=True)
    assert PhiStore(config=config).model([1, 3, 6, -1, -1, 5]) == [1, 2, 3, -1, 0, 6]


def test_worst_case_of_a_wide_phi():
    config = EngineConfig(
        in_channels=3, out_channels=1, height=2, width=2, kernel=(1, 1), pad=(0, 0, 0, 0), m=2,
        n=2, simd=3, pe=1, phi_bits=16, loadable=False, base="thermometer",
    )  # fmt: skip
    phi = np.array([[0, 0, 0], [0, -32767, 32767], [0, 32767, -32767]])
    parameters = LayerParameters(
        codes=np.ones((1, 3, 1, 1), int),
        phi=phi,
        thresholds=np.zeros((3, 2), int),
        flip=np.zeros(3, bool),
    )
    folds = [
        ([a] * 3, [w] * 3, True, True) for a in range(config.n + 1) for w in range(config.m + 1)
    ]
    expected = [[3 * int(phi[w[0], a[0]])] for a, w, _, _ in folds]
    assert run(create(config, parameters), config, folds) == expected


def test_every_lane_is_written_even_where_phi_is_zero():
    config = configuration(**SHAPES[1], base="onehot", loadable=False)
    parameters = LayerParameters.seeded(config, seed=3)
    for phi in (parameters.phi, parameters.phi * 0):
        library = ModuleLibrary(prefix="dot", inline_memories=True)
        library.add_top(create(config, replace(parameters, phi=phi)))
        text = library.verilog()
        for i in range(1, config.m + 1):
            for j in range(1, config.n + 1):
                assert f" lane_{i}_{j} (" in text
        assert text.count("module dot_and_popcount_5(") == 1
        assert text.count("module dot_pe(") == 1


def test_equal_parts_share_a_key():
    config = configuration(**SHAPES[1], base="onehot", loadable=False)
    parameters = LayerParameters.seeded(config, seed=3)
    other = LayerParameters.seeded(config, seed=4)
    key = PopcountDot(config=config, parameters=parameters).module_key
    assert key == PopcountDot(config=config, parameters=parameters).module_key
    assert key != PopcountDot(config=config, parameters=other).module_key


def test_parameters_are_given_exactly_when_baked():
    config = configuration(**SHAPES[0], base="onehot", loadable=True)
    with pytest.raises(ValueError, match="exactly when an engine is not loadable, not some"):
        create(config, LayerParameters.seeded(config, seed=1))
    baked = configuration(**SHAPES[0], base="onehot", loadable=False)
    with pytest.raises(ValueError, match="exactly when an engine is not loadable, not none"):
        create(baked)
    with pytest.raises(ValueError, match="no table of its own"):
        PopcountDot(config=config).model([])
