"""Imported by a server of processes before they start: the slow imports of training."""

from pa_nn.vision import import_torchvision

import_torchvision("torchvision.transforms.v2")
