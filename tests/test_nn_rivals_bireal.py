"""Bi-Real Net by hand."""

import pytest
import torch
import torch.nn.functional as F

from pa_nn import build_model
from pa_nn.rivals.bireal import BiRealBlock, BiRealInput
from pa_nn.rivals.conversion import convert_rival
from pa_nn.scheme import Scheme


def test_sign_and_the_slope_of_its_parabola():
    rule = BiRealInput(1).eval()
    rule.norm.eps = 0.0
    x = torch.tensor([[-2.0], [-0.75], [-0.0], [0.0], [0.25], [1.0]], requires_grad=True)
    values, offset, magnitude = rule(x)
    assert values.flatten().tolist() == [-1, -1, 1, 1, 1, 1]
    assert (offset, magnitude) == (None, None)
    values.backward(torch.full((6, 1), 4.0))
    # 2 - 2|x| within -1 to 1.
    assert x.grad.flatten().tolist() == [0, 2, 8, 8, 6, 0]


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = build_model("resnet8", in_channels=1, classes=4)
    return convert_rival(model, Scheme.parse("bireal")).eval()


def test_each_convolution_has_a_shortcut(model):
    blocks = [stage[0] for stage in model.stages]
    assert all(type(block) is BiRealBlock for block in blocks)
    x = torch.rand(2, 16, 4, 4)
    block = blocks[1]
    y = F.relu(block.bn1(block.conv1(x)) + block.downsample(x))
    assert torch.equal(block(x), F.relu(block.bn2(block.conv2(y)) + y))
    block = blocks[0]
    y = F.relu(block.bn1(block.conv1(x)) + x)
    assert torch.equal(block(x), F.relu(block.bn2(block.conv2(y)) + y))


def test_names_of_parameters_stay(model):
    names = build_model("resnet8", in_channels=1, classes=4).state_dict().keys()
    assert names <= model.state_dict().keys()
    added = {name.split(".input_rule.norm.")[-1] for name in model.state_dict().keys() - names}
    assert added == {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


def test_blocks_without_binary_convolutions_stay():
    model = build_model("resnet8", in_channels=1, classes=4)
    kept = ["conv1", "fc", "stages.0.0.conv1", "stages.0.0.conv2"]
    made = convert_rival(model, Scheme.parse("bireal"), keep=kept)
    assert [type(stage[0]) is BiRealBlock for stage in made.stages] == [False, True, True]
