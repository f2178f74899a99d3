"""Predicted costs: how close they are to what synthesis found, and what is refused."""

import json
import statistics
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pa_hdl import cost
from pa_hdl.config import EngineConfig
from pa_hdl.cost import Cost, cheapest, dot_cost, estimate, parts
from pa_hdl.parameters import LayerParameters

SYNTHESISED = {
    # dot products of 64 to 64 channels, 3x3, 8-bit phi, popcount: (target, m, n, simd, pe)
    ("xc7", 4, 3, 32, 2): (2369, 1596),
    ("xc7", 4, 5, 32, 2): (3781, 2463),
    ("xc7", 4, 7, 32, 2): (5069, 3335),
    ("xc7", 6, 7, 32, 2): (7683, 4882),
    ("xc7", 8, 7, 32, 2): (9719, 6346),
    ("ecp5", 4, 3, 16, 8): (5705, 3617),
    ("ecp5", 4, 5, 16, 8): (9505, 5844),
    ("ecp5", 4, 7, 16, 8): (12649, 7556),
    ("ice40", 3, 3, 32, 8): (8033, 4844),
    ("ice40", 4, 5, 32, 8): (17209, 9655),
    ("generic", 3, 3, 32, 8): (6657, 4844),
    ("generic", 4, 5, 32, 8): (13921, 9655),
}


def layer(target="xc7", **options):
    base = dict(in_channels=64, out_channels=64, height=16, width=16, m=4, n=5, simd=32, pe=2)
    config = EngineConfig(**{**base, **options}, loadable=False, target=target)
    parameters = LayerParameters.seeded(config, 1)
    lowest, highest = parameters.acc_range()
    return replace(config, acc_min=lowest, acc_max=highest), parameters


@pytest.mark.parametrize("case", SYNTHESISED)
def test_dot_products_that_were_not_fitted(case):
    target, m, n, simd, pe = case
    made = dot_cost(*layer(target, m=m, n=n, simd=simd, pe=pe))
    lut, ff = SYNTHESISED[case]
    assert made.lut == pytest.approx(lut, rel=0.06)
    assert made.ff == pytest.approx(ff, rel=0.06)


def test_the_median_error_is_small():
    errors = []
    for case, (lut, _ff) in SYNTHESISED.items():
        target, m, n, simd, pe = case
        made = dot_cost(*layer(target, m=m, n=n, simd=simd, pe=pe))
        errors.append(abs(made.lut / lut - 1))
    assert statistics.median(errors) < 0.03


@pytest.mark.parametrize("target", ["generic", "xc7", "ecp5", "ice40"])
def test_an_engine_is_its_parts(target):
    config, parameters = layer(target)
    made = parts(config, parameters)
    assert list(made) == [
        "dot-popcount", "guard", "comparators", "window", "collector", "weights",
    ]  # fmt: skip
    assert sum(made.values(), Cost()) == estimate(config, parameters)
    assert made["dot-popcount"] == dot_cost(config, parameters)
    assert made["weights"].bram > 0
    assert made["dot-popcount"].depth >= 2


def test_rows_of_the_line_buffer_may_be_known():
    config, parameters = layer()
    few, many = (estimate(config, parameters, rows=rows) for rows in (4, 200))
    assert few.bram < many.bram


def test_costs_add_up():
    total = Cost(lut=1, ff=2, bram=0.5, depth=3) + Cost(lut=10, ff=20, bram=1, depth=2)
    assert total == Cost(lut=11, ff=22, bram=1.5, depth=3)


def test_a_prediction_takes_milliseconds():
    config, parameters = layer()
    estimate(config, parameters)
    start = time.perf_counter()
    for pe in (1, 2, 4, 8, 16):
        estimate(replace(config, pe=pe), parameters, rows=5)
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize("base", ["onehot", "thermometer"])
def test_loadable_dot_products_have_a_model(base):
    config = EngineConfig(
        in_channels=64, out_channels=64, height=16, width=16, m=4, n=5, simd=32, pe=8, base=base,
        target="xc7",
    )  # fmt: skip
    assert dot_cost(config).lut == pytest.approx(21955, rel=0.1 if base == "onehot" else 0.3)


def test_loadable_engines_have_none():
    config = EngineConfig(in_channels=4, out_channels=4, height=4, width=4, m=1, n=1, simd=2, pe=2)
    with pytest.raises(ValueError, match="no cost model of an engine that is loaded at run time"):
        estimate(config)


def test_a_datapath_without_a_model_is_refused(monkeypatch):
    monkeypatch.delitem(cost.DOTS, "popcount")
    with pytest.raises(ValueError, match=r"datapath must be one with a cost model .*'popcount'"):
        dot_cost(*layer())


def test_the_cheapest_is_of_those_asked_for():
    config, parameters = layer()
    assert cheapest(config, parameters, datapaths=("popcount",)) == "popcount"
    with pytest.raises(ValueError, match="no datapath can serve this layer: datapath must be one"):
        cheapest(config, parameters, datapaths=("quantum",))


def test_coefficients_are_for_every_target():
    text = Path(cost.__file__).with_name(cost.COEFFICIENTS).read_text(encoding="utf-8")
    stored = json.loads(text)
    assert set(stored) == {"generic", "xc7", "ecp5", "ice40"}
    assert cost.coefficients() == stored
