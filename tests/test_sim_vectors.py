import numpy as np
import pytest

from pa_hdl.config import EngineConfig
from pa_hdl.parameters import LayerParameters
from pa_hdl.schedule import Schedule
from sim import vectors

CONFIG = EngineConfig(
    in_channels=3, out_channels=2, height=4, width=5, m=2, n=3, simd=2, pe=2, act_signed=True
)
LAYER = LayerParameters.seeded(CONFIG, 1)
OTHER = LayerParameters.seeded(CONFIG, 2)


def engine_arrays(cut_beats):
    return vectors.engine_arrays(CONFIG, LAYER, frames=2, cut_beats=cut_beats, seed=9, other=OTHER)


def test_activations_are_in_range_and_meet_every_threshold():
    images = vectors.activations(CONFIG, LAYER, 20, 1)
    low, high = CONFIG.act_range
    assert images.shape == (20, 4, 5, 3)
    assert low <= images.min() <= images.max() <= high
    for channel in range(3):
        for threshold in LAYER.thresholds[channel]:
            if low <= threshold <= high:
                assert (images[..., channel] == threshold).any()


def test_vectors_are_seeded():
    assert np.array_equal(engine_arrays(7)["frames"], engine_arrays(7)["frames"])


@pytest.mark.parametrize("cut_beats", [1, 7, CONFIG.in_beats - 1])
def test_missing_beats_count_as_padding(cut_beats):
    arrays = engine_arrays(cut_beats)
    # A window that no missing beat touches is as in the whole frame, and the last one is not
    # computed from what was cut.
    pixels = cut_beats // CONFIG.in_folds
    whole_rows = max(0, pixels // CONFIG.width - 1)
    assert np.array_equal(arrays["expected_cut"][:whole_rows], arrays["expected"][0][:whole_rows])
    assert not np.array_equal(arrays["expected_cut"], arrays["expected"][0])


def test_nothing_cut_is_the_whole_frame():
    arrays = engine_arrays(CONFIG.in_beats)
    assert np.array_equal(arrays["expected_cut"], arrays["expected"][0])


def test_schedule_is_the_generators():
    predicted = vectors.schedule(CONFIG, 3)
    model = Schedule(CONFIG)
    assert predicted["cycles"] == model.cycles(3)
    assert predicted["latency"] == model.latency
    assert sum(predicted["intervals"]) == model.cycles(3) - model.cycles(1)


def test_phi_words_are_where_the_load_has_them():
    start, count = vectors.engine_scalars(CONFIG, frames=1)["phi_words"]
    words = engine_arrays(1)["load"][start : start + count]
    assert words.tolist() == [v & 0xFFFFFFFF for v in LAYER.phi[1:, 1:].flatten().tolist()]
