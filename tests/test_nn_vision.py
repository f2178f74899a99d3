"""torchvision with and without its compiled operators."""

import doctest
from types import SimpleNamespace

import pytest
import torch

from pa_nn import vision
from pa_nn.vision import import_torchvision, suppress_overlaps


def test_models_import():
    module = import_torchvision("torchvision.models")
    assert module.__name__ == "torchvision.models"
    assert import_torchvision().__version__.startswith("0.28.0")


def test_the_example():
    assert doctest.testmod(vision) == (0, 2)


def test_of_two_boxes_that_overlap_the_lower_score_goes():
    # Areas 4 and 2, in common 2: intersection over union is one half, which 1/2 allows.
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1]])
    scores = torch.tensor([0.2, 0.8])
    assert suppress_overlaps(boxes, scores, 0.5).tolist() == [1, 0]
    assert suppress_overlaps(boxes, scores, 0.49).tolist() == [1]


def test_a_box_that_is_gone_suppresses_none():
    boxes = torch.tensor([[0.0, 0, 4, 1], [2, 0, 6, 1], [4, 0, 8, 1]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    assert suppress_overlaps(boxes, scores, 0.3).tolist() == [0, 2]


def test_no_boxes():
    kept = suppress_overlaps(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert (kept.dtype, kept.tolist()) == (torch.int64, [])


def test_torchvision_suppresses_within_each_class():
    ops = import_torchvision("torchvision.ops")
    boxes = torch.tensor([[0.0, 0, 2, 2]] * 4)
    scores = torch.tensor([0.1, 0.2, 0.4, 0.3])
    classes = torch.tensor([1, 1, 2, 2])
    assert ops.batched_nms(boxes, scores, classes, 0.5).tolist() == [2, 1]
    assert ops.nms(boxes, scores, 0.5).tolist() == [2]


@pytest.mark.parametrize("spec", [None, SimpleNamespace(submodule_search_locations=None)])
def test_a_missing_torchvision_is_refused_in_one_line(monkeypatch, spec):
    monkeypatch.setattr(vision, "find_spec", lambda name: spec)
    message = r"torchvision is not installed: pip install 'pa-hdl\[vision\]'"
    with pytest.raises(ValueError, match=message):
        import_torchvision()
