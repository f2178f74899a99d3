"""Networks built here."""

import pytest
import torch

from pa_nn.models import BUILDERS, build_model


@pytest.mark.parametrize("name", sorted(BUILDERS))
@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32)])
def test_shapes(name, channels, size):
    model = build_model(name, in_channels=channels, classes=7).eval()
    assert model(torch.zeros(2, channels, size, size)).shape == (2, 7)


def test_resnet8_is_small():
    model = build_model("resnet8", in_channels=1, classes=10)
    assert sum(p.numel() for p in model.parameters()) == 77_754


def test_shortcut_takes_the_value_after_the_relu():
    block = build_model("resnet8", in_channels=1, classes=2).stages[0][0].eval()
    torch.nn.init.zeros_(block.conv2.weight)
    x = torch.rand(1, 16, 4, 4)
    assert torch.equal(block(x), x)


def test_unknown_models_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="Model must be one of resnet20, resnet8, not 'resnet9'"):
        build_model("resnet9", in_channels=1, classes=10)
