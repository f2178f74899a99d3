# amaranth: UnusedElaboratable=no
"""The dot product of shared products: its portable form here, that of the ECP5 under Icarus."""

import random
from dataclasses import replace

import pytest
from ecp5_bench import run_icarus
from hdl_bench import outputs_of

from pa_hdl.config import EngineConfig
from pa_hdl.datapaths.shared import SharedDot
from pa_hdl.parameters import LayerParameters, pack

BAKED = [(1, 1), (2, 3), (4, 5), (6, 7), (8, 7), (11, 20)]
LOADABLE = [(2, 3), (4, 5)]
SIZES = [*((*size, False) for size in BAKED), *((*size, True) for size in LOADABLE)]


def engine(m, n, *, loadable=False, **options):
    options.setdefault("datapath", "shared")
    shape = {"in_channels": 6, "out_channels": 4, "height": 3, "width": 3, "simd": 3, "pe": 2}
    config = EngineConfig(m=m, n=n, loadable=loadable, **(shape | options))
    if loadable:
        return config
    lowest, highest = LayerParameters.seeded(config, 1).acc_range()
    return replace(config, acc_min=lowest, acc_max=highest)


def rows_of(config, phi, seed=1):
    """Inputs of each cycle, and the accumulators expected of each element by its last fold."""
    rng = random.Random(seed)
    rows, expected = [], {}
    if config.loadable:
        entries = phi[1:, 1:].ravel().tolist()
        rows = [{"phi_en": 1, "phi_index": k, "phi_data": v} for k, v in enumerate(entries)]
        rows += [{}] * 3
    for _ in range(25):
        folds = rng.randrange(1, 4)
        acc = [0] * config.pe
        for fold in range(folds):
            rows += [{}] * rng.randrange(2)
            act = [rng.randrange(config.n + 1) for _ in range(config.simd)]
            weight = [rng.randrange(config.m + 1) for _ in range(config.pe * config.simd)]
            for place, code in enumerate(weight):
                acc[place // config.simd] += int(phi[code, act[place % config.simd]])
            rows.append(
                {
                    "valid": 1,
                    "first": fold == 0,
                    "last": fold == folds - 1,
                    "act": pack(act, config.code_bits),
                    "weight": pack(weight, config.weight_code_bits),
                }
            )
        expected[len(rows) - 1] = pack(acc, config.acc_bits)
    return rows, expected


def widths(dut):
    names = ["valid", "first", "last", "act", "weight"]
    names += ["phi_en", "phi_index", "phi_data"] if dut.config.loadable else []
    return [
        (name, len(getattr(dut, name).as_value()))
        if name in ("act", "weight")
        else (name, len(getattr(dut, name)))
        for name in names
    ]


def check(config, tmp_path=None):
    parameters = LayerParameters.seeded(replace(config, acc_min=None, acc_max=None), 1)
    dut = SharedDot(config=config, parameters=None if config.loadable else parameters)
    rows, expected = rows_of(config, parameters.phi)
    latency = SharedDot.latency(config)
    inputs = widths(dut)
    blank = {name: 0 for name, _ in inputs}
    vectors = [blank | row for row in rows] + [blank] * latency
    bits = config.pe * config.acc_bits
    if tmp_path is None:
        valid = outputs_of(dut, vectors, "o_valid", latency)
        acc = outputs_of(dut, vectors, "acc", latency)
        got = list(zip(valid, acc, strict=True))
    else:
        # A row is taken in by the edge that the outputs are read behind.
        found = run_icarus(
            dut,
            [*inputs, ("rst", 1)],
            [("acc", bits), ("o_valid", 1)],
            [row | {"rst": 0} for row in [blank | {"rst": 1}, *vectors]],
            tmp_path,
        )
        got = [(row or {}) and (row["o_valid"], row["acc"]) for row in found[latency:]]
    for place in range(len(rows)):
        if place in expected:
            assert got[place] == (1, expected[place])
        elif got[place]:
            assert got[place][0] == 0
    assert len(expected) == 25


@pytest.mark.parametrize(("m", "n", "loadable"), [SIZES[1], SIZES[2], SIZES[-2]])
def test_portable_form_matches_the_definition(m, n, loadable):
    check(engine(m, n, loadable=loadable))


@pytest.mark.parametrize(("m", "n", "loadable"), SIZES)
def test_device_form_matches_the_definition(m, n, loadable, tmp_path):
    check(engine(m, n, loadable=loadable, target="ecp5"), tmp_path)


def test_model_is_the_sum_of_products():
    config = engine(4, 5)
    parameters = LayerParameters.seeded(replace(config, acc_min=None, acc_max=None), 1)
    dut = SharedDot(config=config, parameters=parameters)
    phi = parameters.phi
    folds = [([0, 5, 3], [0, 1, 4, 2, 3, 0]), ([1, 2, 0], [4, 4, 4, 1, 2, 3])]
    assert dut.model(folds) == [
        phi[0, 0] + phi[1, 5] + phi[4, 3] + phi[4, 1] + phi[4, 2] + phi[4, 0],
        phi[2, 0] + phi[3, 5] + phi[0, 3] + phi[1, 1] + phi[2, 2] + phi[3, 0],
    ]
    with pytest.raises(ValueError, match="loadable dot product has no table"):
        SharedDot(config=engine(4, 5, loadable=True)).model(folds)


@pytest.mark.parametrize("place", [(0, 2), (3, 0)])
def test_a_table_without_a_zero_piece_is_refused(place):
    config = engine(4, 5)
    parameters = LayerParameters.seeded(replace(config, acc_min=None, acc_max=None), 1)
    phi = parameters.phi.copy()
    phi[place] = -7
    with pytest.raises(ValueError, match=r"phi must be 0 for the shared datapath, not -7"):
        SharedDot(config=config, parameters=replace(parameters, phi=phi))
