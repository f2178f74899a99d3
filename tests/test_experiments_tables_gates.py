"""Table 2: gates, and what is left of their factor of two in lanes."""

from types import SimpleNamespace

import pytest

from experiments import tables_gates
from experiments.tables_gates import rows

LUTS = {"ice40": {"xnor": 42, "popcount": 40}, "xc7": {"xnor-compressor": 15, "compressor": 15}}
"""What synthesis is taken to find: lanes are synthesised by the tests of the flow."""


def synthesised(design, target, _cache):
    kind = design.name.removesuffix("_lane_16").replace("_", "-")
    return {"lane": SimpleNamespace(uses=SimpleNamespace(lut=LUTS[target][kind]))}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables_gates, "TARGETS", ("ice40",))
        patch.setattr(tables_gates, "PLACED", ("xc7",))
        patch.setattr(tables_gates, "synthesise", synthesised)
        cache = tmp_path_factory.mktemp("cache")
        return {(row.model, row.column): row for row in rows(cache, pairs=16)}


def test_a_product_is_the_gate_that_the_paper_prints(found):
    for kind in ("XNOR", "AND"):
        for column in ("Propagation delay [ps]", "Active area [nm^2]", "Power [nW]"):
            assert found[kind, column].agrees


def test_the_factor_of_two_is_that_of_the_products_alone(found):
    assert found["XNOR / AND, products alone", "Active area [nm^2]"].ours == 2
    assert found["XNOR / AND, products alone", "Power [nW]"].agrees
    lanes = found["XNOR / AND, lanes of 16", "Active area [nm^2]"]
    products = 16 * 1450 / found["AND lane of 16", "Active area [nm^2]"].ours
    assert lanes.ours == pytest.approx(1 + products)
    assert f"all but {products:.0%} of the AND lane" in lanes.reason


@pytest.mark.parametrize(
    ("column", "xnor", "conjunction"), [("LUT, ice40", 42, 40), ("LUT, xc7, cells placed", 15, 15)]
)
def test_lanes_of_an_fpga_stand_beside_each_other(found, column, xnor, conjunction):
    assert found["XNOR lane of 16", column].ours == xnor
    assert found["AND lane of 16", column].ours == conjunction
    ratio = found["XNOR / AND, lanes of 16", column]
    assert (ratio.paper, ratio.ours) == (2, xnor / conjunction)
    assert "a LUT takes either gate" in ratio.reason
