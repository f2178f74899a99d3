"""Accuracy of a model on images."""

import torch
from torch import nn

from pa_nn.data import Batches, ImageSet
from pa_nn.evaluation import hits, top1


def test_counts_every_image_once_in_evaluation_mode():
    pixels = torch.arange(7, dtype=torch.uint8).view(7, 1, 1, 1).expand(7, 1, 1, 3)
    images = ImageSet(images=pixels, labels=torch.tensor([0, 0, 1, 1, 1, 1, 1]), classes=("a", "b"))
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(3, 2))
    with torch.no_grad():
        model[2].weight.copy_(torch.tensor([[0.0, 0, 0], [1.0, 0, 0]]))
        model[2].bias.copy_(torch.tensor([3.5, 0.0]))
    batches = Batches(images, batch_size=3, mean=(0.0,), std=(1 / 255,))
    assert top1(model, batches) == 100 * 5 / 7
    assert not model.training


def test_hits_among_the_largest_logits():
    logits = torch.tensor([[3.0, 2, 1, 0], [0, 1, 2, 3], [0, 3, 2, 1]])
    labels = torch.tensor([0, 2, 0])  # first, second, last
    batches = [(logits[:2], labels[:2]), (logits[2:], labels[2:])]
    assert hits(nn.Identity(), batches, (1, 2, 4)) == [1, 2, 3]
