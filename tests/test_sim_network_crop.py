import numpy as np
import pytest
from pa_networks import mixed_network, residual_network

import pa_artifact
from pa_artifact import ArtifactError
from pa_nn import golden
from sim.main import DATA
from sim.network_crop import cropped


def test_embedded_network_at_half_its_size():
    network = pa_artifact.read(DATA / "resnet8.pa")
    small = cropped(network, 14, 14)
    assert small.edges == network.edges
    assert small.node("input").shape_out == (1, 14, 14)
    assert small.node("stages.1.0.conv1").shape_out == (32, 7, 7)
    assert small.node("stages.2.0.add").shape_out == (64, 4, 4)
    assert small.node("logits").shape_out == network.node("logits").shape_out
    assert small.node("fc").tensors is network.node("fc").tensors


def test_the_golden_model_takes_it():
    network = residual_network()
    channels, height, width = network.of_kind("input")[0].shape_out
    small = cropped(network, height - 1, width - 2)
    images = np.random.default_rng(1).integers(0, 256, (2, channels, height - 1, width - 2))
    logits = golden.run(small, images)[small.nodes[-1].name]
    assert logits.shape == (2, *network.nodes[-1].shape_out)


def test_whole_size_changes_nothing():
    network = pa_artifact.read(DATA / "resnet8.pa")
    same = cropped(network, 28, 28)
    shapes = [(node.shape_in, node.shape_out) for node in network.nodes]
    assert [(node.shape_in, node.shape_out) for node in same.nodes] == shapes


def test_window_that_does_not_fit():
    message = "max: kernel 3x2 does not fit an image of 1x1: crop less"
    with pytest.raises(ArtifactError, match=message):
        cropped(mixed_network(), 1, 1)
