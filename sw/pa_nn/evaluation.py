"""Accuracy of a model on images."""

import torch
from torch import nn

from pa_nn.data import Batches

__all__ = ["top1"]


@torch.no_grad()
def top1(model: nn.Module, batches: Batches) -> float:
    """Percentage of ``batches`` whose largest logit is that of their label, in float32.

    The model is put in evaluation mode and stays in it.
    """
    model.eval()
    right = 0
    for images, labels in batches:
        right += int((model(images).argmax(1) == labels).sum())
    return 100 * right / len(batches.set)
