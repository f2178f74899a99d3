"""Memory and operations of networks, counted from their modules as section 4.6.1 says.

"We use 32 bit times the number of real-valued parameters and 1 bit times the number of binary
values"; "the Flops ... is equal to the number of the real-valued multiplications, comparisons, and
1/64 of the number of the bitwise operations".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2

import torch
from torch import nn

__all__ = ["PARALLEL_BITS", "REAL_BITS", "Counted", "Layer", "Network", "Rule", "count_network"]

REAL_BITS = 32
PARALLEL_BITS = 64
"""Bitwise operations that count as one."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution or linear layer.

    Parameters
    ----------
    path : str
        Its name in the network.
    weights, macs, inputs, outputs : int
        Weights, and for one image its multiplications, input elements and output elements.
    """

    path: str
    weights: int
    macs: int
    inputs: int
    outputs: int

    @property
    def downsample(self) -> bool:
        """Whether it projects a shortcut."""
        return "downsample" in self.path.split(".")


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network's parameters of all kinds, and its layers in order."""

    parameters: int
    layers: tuple[Layer, ...]

    @property
    def macs(self) -> int:
        """Multiplications for an image in full precision."""
        return sum(layer.macs for layer in self.layers)

    @property
    def memory_bits(self) -> int:
        """Bits of all parameters in full precision."""
        return REAL_BITS * self.parameters


def count_network(model: nn.Module, *, channels: int = 3, size: int = 224) -> Network:
    """Count the layers of ``model`` for an image of ``(channels, size, size)``.

    The model should be on the meta device: shapes are all that is looked at.
    """
    layers: list[Layer] = []

    def watch(path: str):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            weight = module.get_parameter("weight")
            layers.append(
                Layer(
                    path=path,
                    weights=weight.numel(),
                    macs=output[0].numel() * weight[0].numel(),
                    inputs=inputs[0][0].numel(),
                    outputs=output[0].numel(),
                )
            )

        return hook

    handles = [
        module.register_forward_hook(watch(path))
        for path, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    ]
    device = next(model.parameters()).device
    try:
        model(torch.zeros(1, channels, size, size, device=device))
    finally:
        for handle in handles:
            handle.remove()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Network(parameters=parameters, layers=tuple(layers))


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a scheme binarises, and with how many bases.

    The first and the last layer stay real-valued.  With ``M`` weight bases and ``N`` activation
    bases a layer takes ``M N`` binary convolutions; each output element the product of each of
    their sums with a scaling coefficient (Eq. 19), each input element ``N`` comparisons (Eq. 18).

    Parameters
    ----------
    m, n : int
        Bases of weights and of activations.
    downsample : bool
        Whether the projections of shortcuts are binarised too.
    """

    m: int
    n: int
    downsample: bool

    def binary(self, network: Network) -> Sequence[Layer]:
        """The layers that are binarised."""
        return [layer for layer in network.layers[1:-1] if self.downsample or not layer.downsample]

    def count(self, network: Network) -> "Counted":
        """Count a network."""
        layers = self.binary(network)
        weights = sum(layer.weights for layer in layers)
        macs = sum(layer.macs for layer in layers)
        return Counted(
            rule=self,
            real_parameters=network.parameters - weights,
            binary_weights=weights,
            layers=len(layers),
            real_macs=network.macs - macs,
            binary_macs=macs,
            inputs=sum(layer.inputs for layer in layers),
            outputs=sum(layer.outputs for layer in layers),
        )


@dataclass(frozen=True, kw_only=True)
class Counted:
    """A network under a rule, everything in it counted.

    Parameters
    ----------
    rule : Rule
    real_parameters, binary_weights : int
        Parameters that stay real-valued, and weights that do not.
    layers : int
        Binarised layers.
    real_macs, binary_macs : int
        Multiplications of the original, by what has become of them.
    inputs, outputs : int
        Input and output elements of binarised layers, for one image.
    """

    rule: Rule
    real_parameters: int
    binary_weights: int
    layers: int
    real_macs: int
    binary_macs: int
    inputs: int
    outputs: int

    def _bits(self, bits_per_weight: int) -> int:
        return REAL_BITS * self.real_parameters + bits_per_weight * self.binary_weights

    @property
    def memory_bits(self) -> int:
        """A bit for each base of each weight, as the paper counts."""
        return self._bits(self.rule.m)

    @property
    def code_bits(self) -> int:
        """Bits that tell the ``M + 1`` levels of a weight apart."""
        return ceil(log2(self.rule.m + 1))

    @property
    def code_memory_bits(self) -> int:
        """The same with each weight as the code of its level."""
        return self._bits(self.code_bits)

    @property
    def scale_bits(self) -> int:
        """What the scheme itself adds: M N merged coefficients and N thresholds a layer."""
        return REAL_BITS * self.layers * (self.rule.m * self.rule.n + self.rule.n)

    @property
    def bitwise(self) -> int:
        """Bitwise operations of all binary convolutions."""
        return self.rule.m * self.rule.n * self.binary_macs

    @property
    def convolution_flops(self) -> float:
        """Real-valued multiplications of layers, and bitwise operations 64 at a time."""
        return self.real_macs + self.bitwise / PARALLEL_BITS

    @property
    def products(self) -> int:
        """Products of sums with scaling coefficients."""
        return self.rule.m * self.rule.n * self.outputs

    @property
    def comparisons(self) -> int:
        """Comparisons of activations with thresholds."""
        return self.rule.n * self.inputs

    @property
    def flops(self) -> float:
        """Operations as section 4.6.1 adds them up."""
        return self.convolution_flops + self.products + self.comparisons
