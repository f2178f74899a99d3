"""Errors measured on images."""

import math

import pytest
import torch
from pa_models import batches, hardware, normalised, pixels
from pa_topologies import TOPOLOGIES, build

from pa_nn.measuring import measure

# Even kernels ask PyTorch for an uneven padding, which it warns about.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same.")


def rows_of(measured):
    return {row["node"]: row for row in measured.rows}


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_step_that_rounds_is_within_its_bound(name):
    """Half a unit for each branch, and what wide multipliers leave."""
    model = hardware(lambda: build(name), act_bits=12, phi_bits=16, mult_bits=24)
    measured = measure(model, batches())
    rows = rows_of(measured)
    _, lowered = model.lower((2, 8, 8))
    steps = {step.name: step for step in model.plan}
    assert measured.images == 6
    rounding = {"conv8", "pa_conv", "linear8", "add"}
    assert set(rows) == {step.name for step in model.plan if step.kind in rounding}
    for name, row in rows.items():
        assert 0 <= row["own_rms"] <= row["own_max"], name
        if row["kind"] == "pa_conv":
            assert row["own_max"] < 1e-3, name
        if row["kind"] == "add" and name != "logits" and not row["saturated"]:
            unit = float(lowered[name].node.tensors["scale"][0])
            bound = (0.5 * len(steps[name].operands) + 0.1) * unit
            assert row["own_max"] * row["real_rms"] <= bound, name


def test_errors_of_the_first_layer_by_hand():
    model, images = hardware(), normalised(pixels(seed=1))
    row = rows_of(measure(model, [images]))["conv1"]
    with torch.no_grad():
        real = model.model.conv1(images).double()
        integers = model._execute(images).integers["conv1"]
    error = model._compiled(images).real("conv1", integers) - real
    rms = real.square().mean().sqrt()
    assert math.isclose(row["real_rms"], float(rms), rel_tol=1e-6)
    for kind in ("own", "total"):
        assert math.isclose(
            row[f"{kind}_rms"], float(error.square().mean().sqrt() / rms), rel_tol=1e-3
        )
        assert math.isclose(row[f"{kind}_max"], float(error.abs().max() / rms), rel_tol=1e-3)
    assert row["saturated"] is None
    assert row["values"] == error.numel()


def test_batches_are_put_together():
    model, images = hardware(), normalised(pixels(seed=2))
    whole = measure(model, [images])
    parts = measure(model, [images[:2], (images[2:], None)])
    assert (whole.images, whole.same_class) == (parts.images, parts.same_class)
    for mine, other in zip(whole.rows, parts.rows, strict=True):
        assert mine["node"] == other["node"]
        assert mine["saturated"] == other["saturated"]
        assert math.isclose(mine["total_rms"], other["total_rms"], rel_tol=1e-6)


@pytest.mark.parametrize(("share", "saturates"), [(0.5, True), (1.01, False)])
def test_saturation_is_counted(share, saturates):
    model, images = hardware(lambda: build("bottleneck")), batches()[0][0]
    with torch.no_grad():
        largest = model._execute(images, "float").largest["layer1.add"]
    model.ranges[model._range_index["layer1.add"]] = share * largest
    row = rows_of(measure(model, [images]))["layer1.add"]
    assert (row["saturated"] > 0) == saturates
    assert (row["own_max"] > 0.1) == saturates


def test_clipping_at_six_is_no_saturation():
    model, images = hardware(lambda: build("separable")), batches()[0][0]
    with torch.no_grad():
        model.model.stem[2].bias += 7
        model.ranges[model._range_index["stem.2.out"]] = 9.0
    row = rows_of(measure(model, [images]))["stem.2.out"]
    assert row["saturated"] == 0
    assert row["real_rms"] > 4
