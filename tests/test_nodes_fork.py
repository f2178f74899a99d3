# amaranth: UnusedElaboratable=no
"""Beats for several readers, each at its own pace."""

import numpy as np
import pytest
from nodes_bench import check_node, check_reset, random_frame, stream_shape

from pa_hdl.nodes.fork import Fork

SHAPE = stream_shape(4, 3, 3, 2)


@pytest.mark.parametrize("outputs", [2, 3])
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.7, 0.0), (0.0, 0.6), (0.8, 0.4)])
def test_matches_model(outputs, gap, stall):
    rng = np.random.default_rng(outputs)
    frames = [random_frame(SHAPE, rng) for _ in range(5)]
    run = check_node(Fork(shape=SHAPE, outputs=outputs), [frames], gap=gap, stall=stall)
    if stall:
        assert run.departed[0] != run.departed[1], "outputs do not wait for each other"


def test_reset_starts_afresh():
    rng = np.random.default_rng(1)
    check_reset(Fork(shape=SHAPE, outputs=2), [[random_frame(SHAPE, rng) for _ in range(2)]])


@pytest.mark.parametrize("outputs", [1, 0])
def test_a_fork_has_two_outputs(outputs):
    with pytest.raises(ValueError, match=f"Outputs of a fork must be at least 2, not {outputs}"):
        Fork(shape=SHAPE, outputs=outputs)


def test_outputs_are_an_integer():
    with pytest.raises(TypeError, match=r"Outputs of a fork must be an integer, not 2\.0"):
        Fork(shape=SHAPE, outputs=2.0)
