"""torchvision, also where its compiled operators do not load.

torchvision's wheels are compiled for one build of PyTorch.  Beside another one, such as a build for
CPUs alone, the library of operators does not load and ``import torchvision`` fails.  All that the
networks here need of it is non-maximum suppression, which stands below in plain PyTorch.
"""

import importlib
import warnings
from importlib.util import find_spec
from types import ModuleType

import torch

__all__ = ["import_torchvision", "suppress_overlaps"]

# Kept alive: the operators go with it.
_declared: torch.library.Library | None = None


def import_torchvision(name: str = "torchvision") -> ModuleType:
    """Import torchvision or a module of it by its full name, with or without compiled operators.

    Raises
    ------
    ValueError
        torchvision is not installed; one line.
    """
    spec = find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError("torchvision is not installed: pip install 'pa-hdl[vision]'")
    compiled = _declared is None and _loads(spec.submodule_search_locations[0])
    if not compiled:
        _declare()
    with warnings.catch_warnings():
        # Of the decoders of images, which are not needed.
        warnings.filterwarnings("ignore", message="Failed to load image Python extension")
        module = importlib.import_module(name)
        if not compiled:
            # It refuses to look for any operator, nms as well, where the library is missing.
            boxes = importlib.import_module("torchvision.ops.boxes")
            boxes._assert_has_ops = _nothing_to_assert  # type: ignore[attr-defined]
    return module


def _loads(folder: str) -> bool:
    try:
        torch.ops.load_library(f"{folder}/_C.so")
    except OSError:
        return False
    return True


def _nothing_to_assert() -> None:
    pass


def _declare() -> None:
    """The operators that torchvision names while it is imported; ``qnms`` only has a name."""
    global _declared
    if _declared is not None:
        return
    _declared = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        _declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    for key in ("CPU", "CUDA"):
        _declared.impl("nms", suppress_overlaps, key)


def suppress_overlaps(
    boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float
) -> torch.Tensor:
    """Non-maximum suppression, greedy from the highest score down.

    Parameters
    ----------
    boxes : ``(count, 4)``, corners ``x1, y1, x2, y2``
    scores : ``(count,)``
    iou_threshold : intersection over union above which the box of lower score goes

    Returns
    -------
    int64 indices of the boxes kept, highest score first

    >>> boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 3], [5, 5, 6, 6]])
    >>> suppress_overlaps(boxes, torch.tensor([0.7, 0.9, 0.8]), 0.5)
    tensor([1, 2])
    """
    order = torch.argsort(scores, descending=True, stable=True)
    low, high = boxes[order, :2], boxes[order, 2:]
    areas = (high - low).prod(1)
    alive = torch.ones(len(order), dtype=torch.bool, device=boxes.device)
    kept = []
    for place in range(len(order)):
        if not alive[place]:
            continue
        kept.append(place)
        sides = torch.minimum(high[place], high[place + 1 :])
        sides = (sides - torch.maximum(low[place], low[place + 1 :])).clamp(min=0)
        common = sides.prod(1)
        union = areas[place] + areas[place + 1 :] - common
        alive[place + 1 :] &= ~(common > iou_threshold * union)
    return order[torch.tensor(kept, dtype=torch.int64, device=boxes.device)]
