import random

import numpy as np
import pytest

from pa_hdl.config import EngineConfig
from pa_hdl.loader import load_words
from pa_hdl.parameters import LayerParameters
from sim.packing import bytes_of_beat, config_words, frame_bytes, frame_values, image_beats


def test_beats_go_by_row_column_and_channel():
    image = np.arange(2 * 2 * 3).reshape(2, 2, 3)
    assert list(image_beats(image, 2)) == [[0, 1], [2], [3, 4], [5], [6, 7], [8], [9, 10], [11]]


def test_lane_0_is_least_significant_and_only_the_beat_is_padded():
    data = frame_bytes([[1, -1]], lanes=2, bits=5, rng=random.Random(0))
    assert len(data) == bytes_of_beat(2, 5) == 2
    assert int.from_bytes(data, "little") & 0x3FF == 0b11111_00001


def test_what_nobody_may_look_at_is_random():
    many = {frame_bytes([[1]], lanes=2, bits=5, rng=random.Random(seed)) for seed in range(20)}
    assert len(many) > 5
    assert {data[0] & 0x1F for data in many} == {1}


def test_values_are_twos_complement():
    assert frame_values(b"\xff\x03", lanes=2, bits=5, channels=2) == [[-1, -1]]


@pytest.mark.parametrize("data", [b"\xff\x07", b"\x01"])
def test_padding_bits_and_length_are_checked(data):
    with pytest.raises(ValueError, match=r"not 0|whole number"):
        frame_values(data, lanes=2, bits=5, channels=2)


def test_idle_lanes_are_checked():
    with pytest.raises(ValueError, match="idle lanes"):
        frame_values(b"\x21\x00\x21\x00", lanes=2, bits=5, channels=3)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (4, 5), (255, 2)])
def test_load_is_the_generators_own(m, n):
    config = EngineConfig(
        in_channels=5, out_channels=3, height=4, width=4, m=m, n=n, simd=3, pe=2, act_signed=True
    )
    layer = LayerParameters.seeded(config, 7)
    mine = config_words(layer.codes, layer.phi, layer.thresholds, layer.flip, simd=3, pe=2)
    assert mine == load_words(config, layer)
