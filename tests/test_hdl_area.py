# amaranth: UnusedElaboratable=no
"""Predicted areas against figures of the project's own synthesis."""

from dataclasses import replace

import numpy as np
import pytest
from nodes_bench import stream_shape

from pa_hdl import cost
from pa_hdl.area import LUTS_PER_BLOCK, Area, engine_area, estimate, memory_area
from pa_hdl.config import EngineConfig
from pa_hdl.engine import Engine
from pa_hdl.nodes.add import Add
from pa_hdl.nodes.concat import Concat
from pa_hdl.nodes.fifo import Fifo
from pa_hdl.nodes.fork import Fork
from pa_hdl.nodes.global_pool import GlobalPool
from pa_hdl.nodes.multiply import MultiplyEngine
from pa_hdl.nodes.multiply_config import MultiplyConfig
from pa_hdl.nodes.pool import Pool
from pa_hdl.nodes.rescale import Rescale
from pa_hdl.nodes.width import WidthConverter
from pa_hdl.parameters import LayerParameters

WIDE, NARROW = stream_shape(16, 14, 14, 8, 10), stream_shape(16, 14, 14, 2, 10)


def test_an_engine_is_what_the_cost_model_says():
    config = EngineConfig(
        in_channels=16, out_channels=16, height=14, width=14, m=2, n=3, simd=4, pe=4, loadable=False
    )
    parameters = LayerParameters.seeded(config, 1)
    engine = Engine(config, parameters)
    area = estimate(engine)
    made = cost.estimate(replace(config, target="xc7"), parameters)
    assert (area.luts, area.block_rams) == (made.lut, made.bram)
    assert area.bits == 9 * 4 * 4 * 32 + engine.schedule.rows * 14 * 4 * 8 + 4 * 4 * (3 * 10 + 1)
    assert engine_area(config, parameters, rows=engine.schedule.rows) == area


@pytest.mark.parametrize(
    ("component", "luts"),
    [
        (lambda: Add(shapes=[stream_shape(16, 14, 14, 8, 12)] * 2, bits=10, signed=False), 196),
        (lambda: Add(shapes=[stream_shape(16, 14, 14, 8, 12)], bits=10, signed=False), 81),
        (lambda: Fifo(shape=stream_shape(16, 14, 14, 4, 8), depth=4), 39),
        (lambda: Fifo(shape=WIDE, depth=200), 124),
        (lambda: WidthConverter(shape_in=WIDE, lanes=2), 68),
        (lambda: Concat(shapes=[WIDE] * 2, bits=10, signed=True), 86),
        (lambda: GlobalPool(shape=stream_shape(16, 14, 14, 4, 10)), 137),
        (lambda: Pool(shape=WIDE, operation="max", kernel=(2, 2), stride=(2, 2),
                      pad=(0, 0, 0, 0)), 306),
        (lambda: Pool(shape=NARROW, operation="sum", kernel=(2, 2), stride=(2, 2),
                      pad=(0, 0, 0, 0)), 205),
    ],
)  # fmt: skip
def test_nodes(component, luts):
    assert estimate(component()).luts == pytest.approx(luts, rel=0.1)


def test_small_ones_are_small():
    assert estimate(Fork(shape=WIDE, outputs=3)).luts < 20
    assert estimate(WidthConverter(shape_in=NARROW, lanes=8)).luts < 20


@pytest.mark.parametrize(("simd", "pe", "luts"), [(8, 2, 2263), (4, 4, 2325), (1, 8, 1382)])
def test_multipliers(simd, pe, luts):
    options = dict(in_channels=16, out_channels=16, height=14, width=14, simd=simd, pe=pe)
    config = MultiplyConfig(**options, acc_min=-(1 << 21), acc_max=(1 << 21) - 1)
    engine = MultiplyEngine(config=config, weight=np.ones(config.weight_shape, np.int64))
    assert estimate(engine).luts == pytest.approx(luts, rel=0.1)


@pytest.mark.parametrize("lanes", [1, 4, 16])
def test_a_rescale_grows_with_its_lanes(lanes):
    def rescale(lanes):
        return Rescale(
            shape=stream_shape(16, 14, 14, lanes, 16),
            mult=range(1000, 1016),
            bias=range(16),
            shift=8,
            result_range=(-2048, 2047),
        )

    area = estimate(rescale(lanes))
    assert 50 * lanes < area.luts < 400 * lanes


@pytest.mark.parametrize(
    ("depth", "width", "writable", "block_rams"),
    [
        (32, 100, True, 0.0),
        (280, 12, True, 0.5),
        (512, 36, True, 0.5),
        (512, 72, True, 1.0),
        (2048, 18, True, 1.0),
        (16, 51, False, 0.0),
        (576, 96, False, 3.0),
    ],
)
def test_where_memories_go(depth, width, writable, block_rams):
    area = memory_area(depth, width, writable=writable)
    assert (area.block_rams, area.bits) == (block_rams, depth * width)
    assert (area.luts > 0) == (block_rams == 0)


def test_weights_are_in_blocks():
    assert memory_area(16, 8, writable=False, block=True) == Area(block_rams=0.5, bits=128)


def test_areas_add_up():
    area = Area(luts=3, block_rams=0.5, bits=7) + Area(luts=4, block_rams=1.0, bits=1)
    assert area == Area(luts=7, block_rams=1.5, bits=8)
    assert area.weight == 7 + 1.5 * LUTS_PER_BLOCK


def test_there_is_no_model_of_what_is_loaded():
    loadable = EngineConfig(
        in_channels=4, out_channels=4, height=4, width=4, m=1, n=1, simd=2, pe=2
    )
    with pytest.raises(TypeError, match="no area model of an engine that is loaded at run time"):
        estimate(Engine(loadable))


def test_there_is_no_model_of_anything():
    with pytest.raises(TypeError, match="There is no area model of a int"):
        estimate(3)
