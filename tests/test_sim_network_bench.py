import json

import numpy as np
import pytest
from network_toys import IMAGES, PORT, SIMULATOR, passing
from pa_networks import residual_network

from pa_nn import golden
from sim import network_bench
from sim.network_bench import Accelerator, bench, expected_logits

FACTS = {
    "input": vars(PORT),
    "output": vars(PORT),
    "clock_mhz": 100.0,
    "cycles_per_image": PORT.beats,
    "latency_cycles": PORT.beats,
    "bottleneck": {"node": "conv", "cycles": PORT.beats},
    "fifo_bits": 7,
}


@pytest.fixture
def networks(tmp_path, monkeypatch):
    path = tmp_path / "network.json"
    monkeypatch.setattr(network_bench, "NETWORKS", path)
    return path


def outcome(design=None, *, expected=IMAGES, frames=5, facts=None, **given):
    toy = Accelerator(design=design or passing(), metadata=FACTS | (facts or {}), seconds=1.234)
    return bench(toy, IMAGES, expected, SIMULATOR, name="toy", frames=frames, **given)


def test_entry(networks):
    result = outcome()
    assert result.problems == ()
    [entry] = json.loads(networks.read_text())["networks"]
    assert entry.pop("build_s") > 0
    assert entry.pop("simulate_s") >= 0
    assert entry == {
        "name": "toy",
        "image": "3x2x4",
        "images": 5,
        "simulator": SIMULATOR.name,
        "logits_compared": 5 * IMAGES[0].size,
        "mismatches": 0,
        "cycles_per_image": PORT.beats,
        "predicted_cycles_per_image": PORT.beats,
        "bottleneck_utilisation": 1.0,
        "generate_s": 1.23,
        "fifo_bits": 7,
    }


def test_running_again_replaces_the_entry(networks):
    outcome()
    outcome(frames=4)
    [entry] = json.loads(networks.read_text())["networks"]
    assert entry["images"] == 4


def test_few_frames_give_the_latency(networks):
    entry = outcome(frames=2, facts={"cycles_per_image": 99}).entry
    assert entry.cycles_per_image == entry.predicted_cycles_per_image == PORT.beats
    assert entry.bottleneck_utilisation is None


def test_wrong_logit_fails(networks):
    expected = IMAGES.copy()
    expected[1, 2, 0, 1] ^= 1
    result = outcome(expected=expected)
    assert "mismatches: 2" in result.problems
    assert json.loads(networks.read_text())["networks"][0]["mismatches"] == 2


def test_broken_accelerator_fails(networks):
    assert "last errors: 1" in outcome(passing(last="last & (sent > 12)")).problems


def test_hang_fails_and_has_no_cycles(networks):
    result = outcome(passing(valid="valid & (sent != 30)"))
    assert "hung: 1" in result.problems
    assert result.entry.cycles_per_image is None
    assert result.entry.images == 2


@pytest.mark.parametrize(("predicted", "wrong"), [(1000, False), (1020, True), (980, True)])
def test_measured_cycles_must_be_those_predicted(networks, predicted, wrong):
    facts = {"cycles_per_image": predicted * PORT.beats / 1000}
    problems = outcome(facts=facts).problems
    assert any(line.startswith("cycles an image: measured 12") for line in problems) == wrong


def test_bottleneck_must_be_busy(networks):
    problems = outcome(facts={"bottleneck": {"node": "conv", "cycles": 11}}).problems
    assert problems == ("bottleneck utilisation: 0.9167, must be at least 0.95",)


def test_stalls_are_neither_timed_nor_recorded(networks):
    result = outcome(frames=20, stalls=3)
    assert result.problems == ()
    assert result.entry.cycles_per_image is None
    assert not networks.exists()


def test_frames_of_wrong_length(networks):
    result = outcome(lengths=(3, 12, 30))
    assert result.problems == ()
    assert result.entry.logits_compared == 3 * IMAGES[0].size
    assert not networks.exists()


def test_expected_logits_are_those_of_the_golden_model():
    network = residual_network()
    shape = network.of_kind("input")[0].shape_out
    images = np.random.default_rng(2).integers(0, 256, (5, *shape))
    logits = expected_logits(network, images)
    result = network.nodes[-1].name
    assert np.array_equal(logits, golden.run(network, images)[result].numpy())
