"""Networks by name."""

import pytest
import torch

from pa_nn.models import BUILDERS, build_model


@pytest.mark.parametrize(
    ("name", "channels", "size"),
    [
        *[(name, 3, 32) for name in sorted(BUILDERS)],
        *[(name, 1, 28) for name in sorted(BUILDERS.keys() - {"densenet121", "mobilenet_v1"})],
    ],
)
def test_shapes(name, channels, size):
    model = build_model(name, in_channels=channels, classes=7).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, channels, size, size)).shape == (2, 7)


def test_unknown_models_are_refused_with_the_known_ones():
    known = (
        "bottleneck, densenet, densenet121, mobilenet_v1, resnet18, resnet20, resnet34, resnet50, "
        "resnet8, ssd300_resnet50"
    )
    with pytest.raises(ValueError, match=f"Model must be one of {known}, not 'resnet9'"):
        build_model("resnet9", in_channels=1, classes=10)
