"""Batch normalisation over the batch of all processes.

PyTorch's own :class:`torch.nn.SyncBatchNorm` runs on CUDA alone; this one runs on any device, by
two sums over all processes forward (of the elements, then of their squared distance from the mean)
and two backward.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["SynchronisedBatchNorm", "synchronise"]


class _Sum(torch.autograd.Function):
    """Sum over all processes: each one's value counts in every process's loss."""

    @staticmethod
    def forward(values: torch.Tensor) -> torch.Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return _Sum.forward(grad)


class SynchronisedBatchNorm(_BatchNorm):
    """:class:`torch.nn.BatchNorm2d` whose statistics are those of the batches of all processes.

    Input and output ``(batch, channels, ...)``; the same parameters, buffers and evaluation.  Every
    process must run each forward and backward pass; batches may differ in size.
    """

    def _check_input_dim(self, input: torch.Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"Input must have at least 2 dimensions, not {input.dim()}")

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """``(input - mean) / sqrt(var + eps) * weight + bias`` for each channel."""
        if not self.training or not dist.is_initialized():
            return super().forward(input)
        self._check_input_dim(input)
        axes = [axis for axis in range(input.dim()) if axis != 1]
        shape = [-1 if axis == 1 else 1 for axis in range(input.dim())]
        channels = input.shape[1]
        x = input if input.dtype == torch.float64 else input.float()
        sums = x.sum(axes, dtype=torch.float64)
        both = _Sum.apply(torch.cat([sums, sums.new_tensor([x.numel() / channels])]))
        count = float(both[-1].detach())
        mean = both[:-1] / count
        centred = x - mean.to(x.dtype).view(shape)
        var = _Sum.apply(centred.square().sum(axes, dtype=torch.float64)) / count
        scale = (var + self.eps).rsqrt().to(x.dtype)
        self._remember(mean.detach(), var.detach() * (count / max(count - 1, 1)))
        result = centred * (scale if self.weight is None else scale * self.weight).view(shape)
        if self.bias is not None:
            result = result + self.bias.view(shape)
        return result.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: torch.Tensor, var: torch.Tensor) -> None:
        if (
            self.running_mean is None
            or self.running_var is None
            or self.num_batches_tracked is None
        ):
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_(var.to(self.running_var), share)


def synchronise(model: nn.Module) -> None:
    """Replace each batch normalisation inside ``model`` by a synchronised one, in place.

    It shares parameters and buffers with the one it replaces, under the same names.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm) and not isinstance(child, SynchronisedBatchNorm):
                setattr(parent, name, _synchronised(child))


def _synchronised(norm: _BatchNorm) -> SynchronisedBatchNorm:
    new = SynchronisedBatchNorm(
        norm.num_features,
        eps=norm.eps,
        momentum=norm.momentum,
        affine=norm.affine,
        track_running_stats=norm.track_running_stats,
        device=torch.device("meta"),
    )
    new._parameters.update(norm._parameters)
    new._buffers.update(norm._buffers)
    return new.train(norm.training)
