"""Modes of a forward pass."""

import pytest
import torch
from pa_models import forms, hardware, normalised, pixels

from pa_nn.pipeline import MODES

# Even kernels ask PyTorch for an uneven padding, which it warns about.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same.")


def test_integers_of_each_mode():
    model, images = hardware(forms), normalised(pixels())
    with torch.no_grad():
        known = {mode: model._execute(images, mode).integers.keys() for mode in MODES}
    adds = {step.name for step in model.plan if step.kind == "add"}
    assert known["exact"] == {step.name for step in model.plan}
    assert known["float"] == {"input"}
    assert not known["real_sums"] & adds
    assert {"stem", "first", "fourth"} <= known["real_sums"]


def test_unrounded_sums_feed_the_next_comparators():
    """With enough bits for the sums, rounding them or not gives the same accumulators."""
    model, images = hardware(act_bits=16, mult_bits=24), normalised(pixels(seed=1))
    with torch.no_grad():
        exact = model._execute(images).integers
        real = model._execute(images, "real_sums").integers
    same = (exact["stages.0.0.conv1"] == real["stages.0.0.conv1"]).double().mean()
    assert same > 0.9


def test_pixels_are_recovered_from_normalised_images():
    model, images = hardware(), pixels(count=40, seed=2)
    recovered = model._execute(normalised(images), "float").integers["input"]
    assert torch.equal(recovered, images.double())


def test_ranges_seen_are_those_before_rounding():
    model, images = hardware(), normalised(pixels())
    execution = model._execute(images, "float")
    rectified = torch.relu(model.model.bn1(model.model.conv1(images)))
    assert abs(execution.largest["bn1.out"] - float(rectified.detach().max())) < 1e-5
    assert set(execution.largest) == {step.name for step in model.plan if step.kind == "add"}
