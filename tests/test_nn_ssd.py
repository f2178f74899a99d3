"""SSD300 on residual blocks."""

import pytest
import torch
from torch import nn

from pa_nn import ssd
from pa_nn.checkpoint import load_checkpoint, model_entries, restore_model, save_checkpoint
from pa_nn.conversion import convert, project
from pa_nn.layers import PALayer
from pa_nn.resnet import bottleneck, resnet8
from pa_nn.ssd import (
    ExtraBlock,
    SSDBackbone,
    full_precision_layers,
    load_backbone,
    ssd300_resnet50,
)
from pa_nn.trainer import Recipe
from pa_nn.vision import import_torchvision


def test_feature_maps_are_as_large_as_the_originals():
    with torch.device("meta"):
        backbone = SSDBackbone()
        maps = backbone(torch.zeros(2, 3, 300, 300))
    assert list(maps) == ["layer2", "layer3", "layer4", "extra0", "extra1", "extra2"]
    assert [x.shape[1] for x in maps.values()] == backbone.out_channels
    assert [tuple(x.shape[2:]) for x in maps.values()] == [(k, k) for k in (38, 19, 10, 5, 3, 1)]


def test_it_has_the_8732_default_boxes_of_the_original():
    with torch.device("meta"):
        model = ssd300_resnet50()
    images = import_torchvision("torchvision.models.detection.image_list")
    maps = [torch.zeros(1, 1, k, k) for k in (38, 19, 10, 5, 3, 1)]
    image = images.ImageList(torch.zeros(1, 3, 300, 300), [(300, 300)])
    (boxes,) = model.anchor_generator(image, maps)
    assert boxes.shape == (8732, 4)
    # The first: the middle of the first place of 8x8 pixels, 0.07 of the image wide.
    torch.testing.assert_close(boxes[0], torch.tensor([4 - 10.5, 4 - 10.5, 4 + 10.5, 4 + 10.5]))


@pytest.mark.parametrize(("halve", "size"), [(True, 3), (False, 3)])
def test_an_extra_blocks_shortcut_averages(halve, size):
    block = ExtraBlock(in_channels=1, out_channels=4, halve=halve).eval()
    torch.nn.init.zeros_(block.conv3.weight)
    torch.nn.init.ones_(block.shortcut[1].weight)
    x = torch.arange(25.0).view(1, 1, 5, 5)
    y = block(x)
    assert y.shape == (1, 4, size, size)
    # The 3x3 places around the second, or the first, place: means of arithmetic sequences.
    first = 3.0 if halve else 6.0
    torch.testing.assert_close(y[0, :, 0, 0], torch.full((4,), first), rtol=1e-4, atol=0)
    torch.testing.assert_close(y[0, :, 1, 1], torch.full((4,), 12.0), rtol=1e-4, atol=0)


def test_conv1_and_the_head_stay_in_full_precision():
    with torch.device("meta"):
        paths = full_precision_layers(ssd300_resnet50())
    heads = {
        f"head.{head}_head.module_list.{index}"
        for head in ("classification", "regression")
        for index in range(6)
    }
    assert paths == {"backbone.conv1", *heads}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 1}, "SSD300 takes colour images of 3 channels, not 1"),
        ({"classes": 1}, "SSD300 needs at least 2 classes, background included, not 1"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ssd300_resnet50(**arguments)


def test_a_step_of_training_and_a_checkpoint(tmp_path):
    torch.manual_seed(0)
    original = ssd300_resnet50(classes=4)
    model = convert(original, 4, 5, keep=full_precision_layers(original)).train()
    optimiser = Recipe(lr=0.01).make_optimiser(model)
    images = [torch.rand(3, 200, 300) for _ in range(2)]
    boxes = torch.tensor([[20.0, 30, 150, 190], [200.0, 10, 280, 60]])
    losses = model(images, [{"boxes": boxes, "labels": torch.tensor([3, 1])} for _ in images])
    assert losses.keys() == {"bbox_regression", "classification"}
    assert all(loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    layers = {path: m for path, m in model.named_modules() if isinstance(m, PALayer)}
    assert not any(path.startswith("head") for path in layers)
    before = {path: layer.weight.detach().clone() for path, layer in layers.items()}
    optimiser.step()
    project(model)
    for path, layer in layers.items():
        assert not torch.equal(layer.weight, before[path]), path

    path = tmp_path / "model.pt"
    about = {"name": "ssd300_resnet50", "in_channels": 3, "classes": 4}
    save_checkpoint(path, model_entries(model, **about, mean=(0.0,) * 3, std=(1.0,) * 3))
    restored = restore_model(load_checkpoint(path))
    path.unlink()
    assert isinstance(restored.get_submodule("backbone.extra.2.conv2"), PALayer)
    for key, value in model.state_dict().items():
        assert torch.equal(restored.state_dict()[key], value), key
    with torch.no_grad():
        (found,) = restored(images[:1])
    assert found["boxes"].shape == (len(found["scores"]), 4)
    assert found["labels"].min() >= 1
    assert (found["boxes"] >= 0).all()


@pytest.fixture
def small(monkeypatch):
    """A ResNet-50 with one block a stage and an eighth of its channels."""
    monkeypatch.setattr(ssd, "resnet50", bottleneck)


@pytest.mark.usefixtures("small")
def test_a_classifiers_weights_fill_the_backbone(tmp_path):
    torch.manual_seed(0)
    classifier = bottleneck(classes=7)
    path = tmp_path / "resnet.pth"
    torch.save(classifier.state_dict(), path)
    model = nn.ModuleDict({"backbone": SSDBackbone()})
    extra = {k: v.clone() for k, v in model.state_dict().items() if ".extra." in k}
    load_backbone(model, path)
    state = model.state_dict()
    for key, value in classifier.state_dict().items():
        assert key.startswith("fc.") or torch.equal(state[f"backbone.{key}"], value), key
    assert all(torch.equal(state[key], value) for key, value in extra.items())
    torch.save(resnet8(in_channels=3).state_dict(), path)
    with pytest.raises(ValueError, match=r"resnet\.pth: weights of another network"):
        load_backbone(model, path)
    with pytest.raises(ValueError, match=r"nowhere\.pth: no such file"):
        load_backbone(model, tmp_path / "nowhere.pth")
