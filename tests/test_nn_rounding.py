"""The report of what rounding costs."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from pa_models import MEAN, STD, hardware
from pa_topologies import TOPOLOGIES, build

from pa_nn.rounding import rounding_report

# Even kernels ask PyTorch for an uneven padding, which it warns about.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same.")


def rows_of(network):
    return {
        (row["node"], row["what"], row["unit"]): row["error"] for row in rounding_report(network)
    }


EXACT = ("input", "add", "concat", "max_pool", "avg_pool", "global_avg_pool")


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_place_is_listed_and_within_its_bound(name):
    network, _ = hardware(lambda: build(name)).lower((2, 8, 8))
    rows = rows_of(network)
    for node in network.nodes:
        assert node.kind in EXACT or any(name == node.name for name, _, _ in rows)
    for (_, what, unit), error in rows.items():
        assert error >= 0
        if what in ("phi", "weights") and "share" not in unit:
            assert error <= 0.5 + 1e-6
    assert rows["logits.0", "result", "units of the sum, at most"] == 0.5


def test_multipliers_are_bounded_by_what_they_multiply():
    """Against exact multipliers, at both ends of the range of every channel."""
    model = hardware(lambda: build("bottleneck"))
    network, steps = model.lower((2, 8, 8))
    rows = rows_of(network)
    node = network.node("logits.0")
    bounds = steps["fc"].bounds
    unit = Fraction(float(network.node("logits").tensors["scale"][0]))
    shift = 1 << int(node.tensors["shift"])
    errors = [
        abs(Fraction(int(mult), shift) - slope / unit) * max(map(abs, bounds[c].tolist()))
        for c, (mult, slope) in enumerate(
            zip(node.tensors["mult"], steps["fc"].values.slope, strict=True)
        )
    ]
    assert max(errors) <= rows["logits.0", "multiplier", "units of the sum, at most"]


def test_the_border_of_the_stem_is_measured():
    """Against the float stem of quantised weights, pixel by pixel."""
    model = hardware()
    network, steps = model.lower((2, 8, 8))
    node = network.node("conv1")
    values = steps["conv1"].values
    pixels = torch.randint(0, 256, (1, 2, 8, 8), generator=torch.Generator().manual_seed(0))
    zero = np.array([255 * value for value in MEAN])
    weight = torch.from_numpy(node.tensors["weight"].astype(np.float64))
    weight = weight * torch.tensor([float(s) for s in values.slope]).view(-1, 1, 1, 1)
    centred = pixels.double() - torch.from_numpy(zero).view(-1, 1, 1)
    exact = torch.nn.functional.conv2d(centred, weight.double(), padding=1)
    integers = pixels - torch.from_numpy(node.tensors["zero"]).view(-1, 1, 1)
    rounded = torch.nn.functional.conv2d(integers.double(), weight.double(), padding=1)
    rounded += torch.tensor([float(o) for o in values.offset]).view(-1, 1, 1)
    error = (rounded - exact).abs()
    assert float(error[..., 1:-1, 1:-1].max()) < 1e-5
    rows = rows_of(network)
    expected = rows["conv1", "zero point at the border", "real units of the accumulator"]
    assert np.isclose(float(error.max()), expected, rtol=1e-4)
    assert len(STD) == node.shape_in[0]
