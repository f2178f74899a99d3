# amaranth: UnusedElaboratable=no
"""Whole networks on a stream of images."""

import numpy as np
import pytest
from network_bench import accelerator, beats_of, result_of, stream
from pa_networks import mixed_network, residual_network

from pa_hdl.network.sizing import latency
from pa_nn import golden

NETWORKS = {
    "residual": residual_network(channels=4, size=(5, 4)),
    "mixed": mixed_network(size=(7, 6)),
}


def images_of(network, count, seed=0):
    shape = network.nodes[0].shape_out
    return np.random.default_rng(seed).integers(0, 256, (count, *shape))


def whole(image, shape):
    beats = beats_of(image, shape)
    return [(beat, at == len(beats) - 1) for at, beat in enumerate(beats)]


def check(dut, network, images, out):
    expected = golden.run(network, images)["logits"].numpy()
    size = dut.graph.result.beats
    for index, image in enumerate(expected):
        beats = out[index * size : (index + 1) * size]
        assert [last for _, last in beats] == [0] * (size - 1) + [1]
        found = result_of([data for data, _ in beats], dut.graph.result)
        assert np.array_equal(found, image)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_logits_and_cycles_are_those_of_the_models(name):
    network = NETWORKS[name]
    dut = accelerator(network, 2)
    frames = [whole(image, dut.graph.source) for image in images_of(network, 3)]
    out, entered, left = stream(dut, frames, 3)
    check(dut, network, images_of(network, 3), out)
    ends = left[dut.graph.result.beats - 1 :: dut.graph.result.beats]
    assert ends[2] - ends[1] == dut.graph.cycles_per_image
    assert ends[0] - entered[0] == latency(dut.graph)


def test_bad_frames_and_stalls_leave_the_next_frame_right():
    network = NETWORKS["residual"]
    dut = accelerator(network, 2)
    images = images_of(network, 3)
    first, second, third = (whole(image, dut.graph.source) for image in images)
    short = [*first[:4], (first[4][0], True)]
    late = [*((data, False) for data, _ in second), (0, False), (0, True)]
    out, _, _ = stream(dut, [short, late, third], 3, stalls=2)
    size = dut.graph.result.beats
    check(dut, network, images[2:], out[2 * size :])
