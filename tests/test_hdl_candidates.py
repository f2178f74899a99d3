# amaranth: UnusedElaboratable=no
"""Ways to fold a node: which there are, how long they take and how large they are."""

from pathlib import Path

import numpy as np
import pytest

from pa_artifact import Network, Node, read
from pa_hdl.area import estimate
from pa_hdl.candidates import candidates, limits, stream_bits
from pa_hdl.config import EngineConfig
from pa_hdl.engine import Engine
from pa_hdl.nodes.rescale import Rescale
from pa_hdl.nodes.stream import StreamShape
from pa_hdl.parameters import LayerParameters


@pytest.fixture(scope="module")
def resnet8():
    return read(Path(__file__).parents[1] / "sim" / "data" / "resnet8.pa")


def node(name, kind, shape_in, shape_out=None, **attributes):
    return Node(
        name=name,
        kind=kind,
        shape_in=shape_in,
        shape_out=shape_out or shape_in,
        attributes=attributes,
    )


def conv8(channels, results, groups=1):
    window = dict(kernel=(3, 3), stride=(2, 2), pad=(1, 1, 1, 1), groups=groups)
    weight = np.ones((results, channels // groups, 3, 3), np.int8)
    return Node(
        name="conv",
        kind="conv8",
        shape_in=(channels, 8, 8),
        shape_out=(results, 4, 4),
        attributes=window,
        tensors={"weight": weight, "zero": np.full(channels, 100, np.int16)},
    )


def behind_image(last, bits=8):
    image = node("image", "input", last.shape_in, bits=bits, signed=False)
    return Network(nodes=(image, last), edges=(("image", last.name),))


def test_what_each_kind_may_be_folded_by():
    image = node("image", "input", (6, 8, 8), bits=8, signed=False)
    other = node("other", "add", (4, 8, 8), bits=8, signed=False)
    joined = node("joined", "concat", (6, 8, 8), (10, 8, 8), bits=8, signed=False)
    network = Network(
        nodes=(image, other, joined), edges=(("image", "joined"), ("other", "joined"))
    )
    assert limits(network, image) == {"lanes": 6}
    assert limits(network, joined) == {"lanes": 2}
    assert limits(network, conv8(6, 12)) == {"simd": 6, "pe": 12}
    assert limits(network, conv8(6, 12, 3)) == {"simd": 2, "pe": 4}
    assert limits(network, conv8(6, 12, 6)) == {"simd": 1, "pe": 2}
    assert limits(network, conv8(6, 6, 6)) == {"lanes": 6}
    with pytest.raises(ValueError, match="flat: there is no hardware for a flatten"):
        limits(network, node("flat", "flatten", (6, 8, 8)))


def test_every_divisor_is_a_candidate():
    found = candidates(behind_image(conv8(6, 4)))
    assert [each.folding for each in found["image"]] == [{"lanes": n} for n in (1, 2, 3, 6)]
    pairs = [(each.lanes_in, each.lanes_out) for each in found["conv"]]
    assert pairs == [(simd, pe) for simd in (1, 2, 3, 6) for pe in (1, 2, 4)]


@pytest.mark.parametrize(
    ("groups", "results", "cycles"),
    [(1, 4, 16 * 9 * 6 * 4), (2, 4, 16 * 9 * 3 * 4), (6, 6, 16 * 9 * 6), (6, 12, 16 * 9 * 12)],
)
def test_cycles_of_one_lane(groups, results, cycles):
    slowest = candidates(behind_image(conv8(6, results, groups)))["conv"][0]
    assert slowest.cycles == cycles


def test_input_beats_bound_the_cycles():
    point = conv8(6, 6, 6)
    fast = candidates(behind_image(point))["conv"][-1]
    assert (fast.folding, fast.cycles) == ({"lanes": 6}, 16 * 9)
    image = candidates(behind_image(point))["image"]
    assert [each.cycles for each in image] == [64 * 6, 64 * 3, 64 * 2, 64]


def test_more_parallel_is_faster_and_larger(resnet8):
    for some in candidates(resnet8).values():
        for one in some:
            for other in some:
                grown = all(other.folding[key] >= one.folding[key] for key in one.folding)
                assert not grown or other.cycles <= one.cycles
        assert some[0].area.luts <= some[-1].area.luts


def test_areas_are_those_of_the_hardware(resnet8):
    found = candidates(resnet8)
    conv = resnet8.node("stages.1.0.conv1")
    for each in found[conv.name][::5]:
        config = EngineConfig.from_node(conv, **each.folding)
        made = estimate(Engine(config, LayerParameters.from_node(conv)))
        assert each.area.luts == pytest.approx(made.luts, rel=0.1)
    rescale = resnet8.node("stages.0.0.add.0")
    [*_, each] = found[rescale.name]
    shape = StreamShape(channels=16, height=28, width=28, lanes=16, bits=14, signed=True)
    made = estimate(Rescale.from_node(rescale, shape=shape))
    assert each.area.luts == pytest.approx(made.luts, rel=0.2)


def test_bits_of_streams(resnet8):
    from pa_artifact.ranges import value_ranges

    bits = stream_bits(resnet8, value_ranges(resnet8))
    assert bits["input"] == 8
    assert bits["bn1.out"] == 10
    assert bits["logits"] == 24
    assert bits["stages.0.0.conv1"] == 13
