"""The matrix of engines, and that one of them is what the flow expects."""

import pytest

from hw.designs import Case, cases


def test_matrix():
    baked = [(case.m, case.n) for case in cases() if not case.loadable]
    loaded = [(case.m, case.n) for case in cases() if case.loadable]
    assert baked == [(1, 1), (3, 3), (4, 5), (8, 7)]
    assert loaded == [(4, 5)]
    assert len({case.name for case in cases()}) == 5


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_layer(case):
    config = case.config
    assert (config.in_channels, config.out_channels, config.kernel) == (64, 64, (3, 3))
    assert (config.height, config.width, config.pad) == (16, 16, (1, 1, 1, 1))
    assert (config.simd, config.pe, config.phi_bits) == (32, 8, 8)
    assert config.folds_per_frame == 16 * 16 * 8 * 9 * 2
    assert config.loadable is case.loadable


@pytest.mark.parametrize("loadable", [False, True])
def test_smallest_engine(loadable):
    built = Case(m=1, n=1, loadable=loadable).build()
    assert built.design.kept == ["pa_engine_and_popcount_32", "pa_engine_dot", "pa_engine_pe"]
    assert built.design.blocks == ["pa_engine_weights"]
    assert ("pa_engine_weights.mem" in built.design.memories) is not loadable
    for latency, frame in built.cycles.values():
        assert latency > 0
        assert 36864 <= frame <= 36864 * 1.01
    assert built.cycles["dot"][0] < built.cycles["engine"][0]
