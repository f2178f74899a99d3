"""Accuracy of a model on images."""

from collections.abc import Iterable

import torch
from torch import nn

from pa_nn.data import Batches
from pa_nn.folders import FolderBatches

__all__ = ["hits", "top1"]


def top1(model: nn.Module, batches: Batches | FolderBatches) -> float:
    """Percentage of ``batches`` whose largest logit is that of their label, in float32.

    The model is put in evaluation mode and stays in it.
    """
    (right,) = hits(model, batches)
    return 100 * right / len(batches.set)


@torch.no_grad()
def hits(
    model: nn.Module,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    depths: tuple[int, ...] = (1,),
) -> list[int]:
    """Number of images whose label is among the ``k`` largest logits, for each ``k``.

    Equal logits count in the order that :func:`torch.topk` and, for 1, :func:`torch.argmax` have.
    The model is put in evaluation mode and stays in it.
    """
    model.eval()
    right = [0] * len(depths)
    for images, labels in batches:
        logits = model(images)
        for place, depth in enumerate(depths):
            if depth == 1:
                found = logits.argmax(1) == labels
            else:
                found = (logits.topk(depth).indices == labels.unsqueeze(1)).any(1)
            right[place] += int(found.sum())
    return right
