from collections import Counter

from sim.cases import BASES, KERNELS, STRIDES, matrix, smoke

CASES = matrix()
CONFIGS = [case.config for case in CASES]


def test_every_configuration_is_another_shape():
    assert len({case.geometry for case in CASES}) == len(CASES) >= 66
    assert len({case.name for case in CASES}) == len(CASES)


def test_simulators_share_the_matrix():
    assert min(Counter(case.simulator for case in CASES).values()) >= 24


def test_kernels_strides_and_bases_are_crossed():
    found = {(c.kernel, c.stride, c.m, c.n) for c in CONFIGS}
    for kernel in KERNELS:
        for stride in STRIDES:
            for m, n in BASES:
                assert ((kernel, kernel), (stride, stride), m, n) in found


def test_each_simulator_meets_every_feature():
    for name in ("verilator", "icarus"):
        configs = [case.config for case in CASES if case.simulator == name]
        for field in ("loadable", "act_signed"):
            assert {getattr(c, field) for c in configs} == {False, True}, field
        assert {c.base for c in configs} == {"onehot", "thermometer"}
        assert any(c.in_channels % c.simd for c in configs)
        assert any(c.out_channels % c.pe for c in configs)
        assert any(c.simd > c.in_channels for c in configs)
        assert any(c.pe > c.out_channels for c in configs)
        assert any(c.height != c.width for c in configs)
        assert any(c.pad[0] != c.pad[1] for c in configs)
        assert any(c.pad[2] != c.pad[3] for c in configs)


def test_configurations_do_not_change_from_run_to_run():
    assert matrix() == CASES


def test_smoke_is_part_of_the_matrix():
    few = smoke()
    assert 3 <= len(few) <= 6
    assert {case.name for case in few} <= {case.name for case in CASES}
    assert {case.config.loadable for case in few} == {False, True}
