"""Residual networks, of small images and of large ones."""

import torch

from pa_nn.resnet import BasicBlock, Bottleneck, bottleneck, resnet8, resnet18, resnet20, resnet50


def count(model):
    return sum(p.numel() for p in model.parameters())


def test_small_networks_are_small():
    assert count(resnet8()) == 77_754
    assert count(resnet20()) == 272_474


def test_large_networks_have_the_parameters_of_torchvisions():
    assert count(resnet18()) == 11_689_512
    assert count(resnet50()) == 25_557_032


def test_names_and_strides_are_torchvisions():
    model = resnet18()
    state = model.state_dict()
    assert state["layer2.0.downsample.0.weight"].shape == (128, 64, 1, 1)
    assert state["layer4.1.bn2.running_var"].shape == (512,)
    assert "layer1.0.downsample.0.weight" not in state
    strides = [model.get_submodule(f"layer{k}.0.conv1").stride[0] for k in (1, 2, 3, 4)]
    assert strides == [1, 2, 2, 2]


def test_the_bottlenecks_stride_is_in_its_3x3_convolution():
    block = bottleneck().layer2[0]
    kernels = [conv.kernel_size[0] for conv in (block.conv1, block.conv2, block.conv3)]
    strides = [conv.stride[0] for conv in (block.conv1, block.conv2, block.conv3)]
    assert (kernels, strides) == ([1, 3, 1], [1, 2, 1])
    assert block.conv3.out_channels == 4 * block.conv1.out_channels


def test_shortcut_takes_the_value_after_the_relu():
    for block in (
        BasicBlock(in_channels=16, out_channels=16, stride=1),
        Bottleneck(in_channels=16, out_channels=16, stride=1),
    ):
        last = block.conv3 if isinstance(block, Bottleneck) else block.conv2
        torch.nn.init.zeros_(last.weight)
        x = torch.rand(1, 16, 4, 4)
        assert torch.equal(block.eval()(x), x)
