"""Features of the parts around a dot product."""

from dataclasses import replace

import pytest

from pa_hdl.config import EngineConfig
from pa_hdl.cost_engine import PARTS
from pa_hdl.cost_features import Site
from pa_hdl.parameters import LayerParameters


def site(target="xc7", **options):
    base = dict(in_channels=16, out_channels=16, height=14, width=14, m=1, n=3, simd=4, pe=4)
    config = EngineConfig(**{**base, **options}, loadable=False, target=target)
    parameters = LayerParameters.seeded(config, 1)
    return Site(config=config, parameters=parameters, rows=4, round_trip=20)


def test_thresholds_are_constants_of_one_fold_and_read_of_many():
    for simd, name in ((16, "compared 0"), (8, "compared 1"), (4, "compared 2"), (1, "compared 3")):
        found = PARTS["comparators"](site(simd=simd))
        assert found.lut[name] == simd * 3 * 10
        assert ("flipped" in found.lut) == (simd < 16)


def test_padding_is_masked():
    padded = PARTS["window"](site())
    plain = PARTS["window"](site(kernel=(1, 1), pad=(0, 0, 0, 0)))
    assert (padded.lut["masked"], plain.lut["masked"]) == (8, 0)


@pytest.mark.parametrize(("target", "luts", "blocks"), [("xc7", True, 0), ("ice40", False, 1)])
def test_lines_go_where_the_target_has_room(target, luts, blocks):
    lines = PARTS["window"](site(target)).memory
    assert (lines.luts > 0, lines.blocks) == (luts, blocks)


def test_short_queues_stand_in_registers_where_there_is_no_lut_ram():
    device, plain = (PARTS["collector"](site(target)) for target in ("ecp5", "ice40"))
    assert device.memory.luts > 0
    assert (plain.memory.luts, plain.ff["registers"] > 0) == (0, True)


def test_weights_are_in_blocks():
    found = PARTS["weights"](site("ecp5"))
    assert (found.memory.luts, found.memory.blocks) == (0, 1)
    wide = replace(site("ecp5"), config=site("ecp5", simd=16, pe=16).config)
    assert PARTS["weights"](wide).memory.blocks > 1
