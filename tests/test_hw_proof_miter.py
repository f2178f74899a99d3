# amaranth: UnusedElaboratable=no
"""The miter in Amaranth's own simulator, where it can be: what it says of two dot products."""

import random

import pytest
from amaranth.sim import Simulator

from hw.proof_cases import ProofCase
from hw.proof_miter import reference_of
from pa_hdl.dot import DATAPATHS


@pytest.fixture
def case():
    return ProofCase(datapath="popcount", target="generic", m=2, n=3, simd=2, pe=2)


def test_reference_is_the_plain_popcount(case):
    config = reference_of(case.miter().config)
    assert (config.datapath, config.base) == ("popcount", "onehot")


def test_latency_is_that_of_the_slower(case):
    config = case.miter().config
    sides = (config, reference_of(config))
    assert case.miter().latency == max(DATAPATHS[c.datapath].latency(c) for c in sides)


def test_one_module_each(case):
    """What both have in common stands in the text once."""
    text = case.miter().verilog()
    assert text.count("module miter(") == 1
    assert text.count("module miter_dot") == 2


def test_sees_illegal_codes(case):
    miter, rng = case.miter(), random.Random(1)

    async def bench(ctx):
        for _ in range(50):
            act = [rng.randint(0, 3) for _ in range(2)]
            weight = [rng.randint(0, 3) for _ in range(4)]
            ctx.set(miter.act, act)
            ctx.set(miter.weight, weight)
            await ctx.tick()
            assert ctx.get(miter.legal) == (max(weight) <= 2)
            assert ctx.get(miter.agree)

    simulator = Simulator(miter)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
