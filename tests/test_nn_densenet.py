"""DenseNet."""

import torch

from pa_nn.densenet import DenseLayer, DenseNet, Transition, densenet, densenet121


def test_a_layer_keeps_what_it_sees_and_adds_its_growth():
    torch.manual_seed(0)
    layer = DenseLayer(in_channels=5, growth=3).eval()
    x = torch.randn(2, 5, 4, 4)
    y = layer(x)
    assert y.shape == (2, 8, 4, 4)
    assert torch.equal(y[:, :5], x)
    # Batch normalisation and ReLU stand before the convolution: large negative inputs vanish.
    layer.norm1.bias.data.fill_(-1e9)
    assert torch.equal(layer(x)[:, 5:], torch.zeros(2, 3, 4, 4))


def test_a_transition_halves_channels_and_resolution():
    transition = Transition(in_channels=6).eval()
    torch.nn.init.ones_(transition.conv.weight)
    y = transition(torch.ones(1, 6, 4, 4))
    assert y.shape == (1, 3, 2, 2)
    torch.testing.assert_close(y, torch.full_like(y, 6.0), rtol=1e-4, atol=0)


def test_channels_grow_along_the_blocks():
    model = DenseNet(in_channels=1, classes=4, growth=4, blocks=(2, 3), width=10)
    inputs = [m.norm1.num_features for m in model.modules() if isinstance(m, DenseLayer)]
    assert inputs == [10, 14, 9, 13, 17]
    assert model.fc.in_features == 21
    assert densenet().fc.in_features == 44


def test_the_large_one_takes_any_number_of_channels():
    with torch.device("meta"):
        model = densenet121(in_channels=2).eval()
        assert model(torch.zeros(1, 2, 32, 32)).shape == (1, 1000)
