"""Table 7: memory and operations of ResNet18, 34 and 50 in each scheme."""

import functools
from collections.abc import Callable, Iterator

import torch
from torch import nn

from experiments.tables_counting import REAL_BITS, Counted, Network, Rule, count_network
from experiments.tables_paper import TABLE_7, Cost
from experiments.tables_rows import Row
from pa_nn.resnet import Bottleneck, resnet18, resnet34, resnet50

__all__ = ["NETWORKS", "RULES", "meta_network", "rows", "stride_first"]

RULES = {
    "Bi-Real": Rule(m=1, n=1, downsample=False),
    "ABC": Rule(m=5, n=5, downsample=False),
    "PA": Rule(m=4, n=5, downsample=True),
}
"""Bases as in section 4.6; of projections the paper says that PA-Net binarises them."""

_BEYOND = {"PA": (Rule(m=4, n=5, downsample=True), Rule(m=8, n=7, downsample=True))}
"""What the paper has no figure of: weights as codes, and the larger PA-Net."""

_MEGA = 1e6
_TABLE = 7
_FIRST = ", stride in the first 1x1"


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "ResNet18": resnet18,
    "ResNet34": resnet34,
    "ResNet50": resnet50,
}


def stride_first(model: nn.Module) -> nn.Module:
    """Move the stride of each bottleneck from its 3x3 to its first 1x1 convolution, in place."""
    for module in model.modules():
        if isinstance(module, Bottleneck):
            module.conv1.stride, module.conv2.stride = module.conv2.stride, module.conv1.stride
    return model


@functools.cache
def meta_network(name: str, *, first: bool = False) -> Network:
    """Count a network of :data:`NETWORKS`, if asked with the strides of the original bottleneck."""
    with torch.device("meta"):
        model = NETWORKS[name]()
    return count_network(stride_first(model) if first else model)


def rows() -> Iterator[Row]:
    """Every number of the table; then operations of the original ResNet50, and what is beyond."""
    for name in NETWORKS:
        yield from _network_rows(name, meta_network(name))
    yield from _network_rows("ResNet50", meta_network("ResNet50", first=True), first=True)
    for name in NETWORKS:
        yield from _beyond_rows(name, meta_network(name))


def _network_rows(name: str, network: Network, *, first: bool = False) -> Iterator[Row]:
    for scheme, rule in RULES.items():
        counted, paper = rule.count(network), TABLE_7[name][scheme]
        model = f"{scheme}{' ' if scheme == 'Bi-Real' else '-'}{name}"
        if not first:
            yield from _memory_rows(model, network, counted, paper, _memory_reason(name, scheme))
        reason = _flops_reason(name, scheme, network, counted, first=first)
        yield from _flops_rows(model + _FIRST * first, network, counted, paper, reason)
    full, reason = TABLE_7[name][""], _full_reason(name)
    if not first:
        yield _row(name, "Memory usage [Mbit]", full.memory_mbit, network.memory_bits / _MEGA)
    yield _row(name + _FIRST * first, "Flops", full.flops, network.macs, reason)


def _row(
    model: str, column: str, paper: float | None, ours: float, reason: str | None = None
) -> Row:
    return Row(table=_TABLE, model=model, column=column, paper=paper, ours=ours, reason=reason)


def _memory_rows(
    model: str, network: Network, counted: Counted, paper: Cost, reason: str | None
) -> Iterator[Row]:
    bits = counted.memory_bits
    yield _row(model, "Memory usage [Mbit]", paper.memory_mbit, bits / _MEGA, reason)
    yield _row(model, "Memory saving", paper.saving, network.memory_bits / bits, reason)


def _flops_rows(
    model: str, network: Network, counted: Counted, paper: Cost, reason: str | None
) -> Iterator[Row]:
    yield _row(model, "Flops", paper.flops, counted.flops, reason)
    yield _row(model, "Speedup", paper.speedup, network.macs / counted.flops, reason)


def _memory_reason(name: str, scheme: str) -> str | None:
    """Where the paper's own numbers show what it counted instead."""
    pa, paper = TABLE_7[name]["PA"].memory_mbit, TABLE_7[name][scheme].memory_mbit
    counted = RULES["PA"].count(meta_network(name))
    if scheme == "PA":
        alone = counted.rule.m * counted.binary_weights / _MEGA
        return (
            f"printed are {counted.rule.m} bits of each binary weight alone, {alone:.1f} Mbit: the "
            f"{counted.real_parameters * REAL_BITS / _MEGA:.1f} Mbit of real-valued parameters "
            "are missing"
        )
    if scheme == "ABC":
        return (
            f"printed is 5/4 of the paper's PA row, {1.25 * pa:.1f} for {paper:.1f}, as if real-"
            "valued parameters had bases too; counted here are 5 bases, projections real-valued"
        )
    return None


def _flops_reason(
    name: str, scheme: str, network: Network, counted: Counted, *, first: bool
) -> str | None:
    paper = TABLE_7[name][scheme]
    if scheme == "Bi-Real":
        meant = network.macs / (paper.speedup or 1)
        reason = (
            f"the speedup printed beside it means {meant:.3g} operations, and without products and "
            f"comparisons it is {counted.convolution_flops:.3g}"
        )
    elif scheme == "ABC":
        reason = (
            f"printed is the PA row; ({counted.rule.m}, {counted.rule.n}) bases are "
            f"{counted.rule.m * counted.rule.n} binary convolutions, not "
            f"{RULES['PA'].m * RULES['PA'].n}, and projections are real-valued"
        )
    else:
        implied = (paper.flops - counted.convolution_flops) / counted.outputs
        here = (counted.products + counted.comparisons) / counted.outputs
        reason = (
            f"beside {counted.convolution_flops:.3g} for convolutions the paper's figure leaves "
            f"{implied:.1f} operations to an output element, Eq. 18 and 19 need {here:.1f}: "
            f"{counted.rule.m * counted.rule.n} products, and {counted.rule.n} comparisons for "
            "each input element"
        )
    full = _full_reason(name)
    if first or full is None:
        return reason
    return full if scheme == "Bi-Real" else f"{reason}; {full}"


def _full_reason(name: str) -> str | None:
    """Where the stride of a bottleneck is: it decides how many operations there are."""
    if name != "ResNet50":
        return None
    original = meta_network(name, first=True).macs
    return (
        "the paper counts the stride in the first 1x1 convolution of a bottleneck, torchvision has "
        f"it in the 3x3 one; there full precision takes {original:.3g}"
    )


def _beyond_rows(name: str, network: Network) -> Iterator[Row]:
    for scheme, rules in {"ABC": (RULES["ABC"],), **_BEYOND}.items():
        for rule in rules:
            counted = rule.count(network)
            model = f"{scheme}-{name} ({rule.m}, {rule.n})"
            own = f"not in the paper: a bit for each of {rule.m} bases of a weight"
            codes = (
                f"not in the paper: {counted.code_bits} bits for each weight, which tell its "
                f"{rule.m + 1} levels apart"
            )
            scales = "not in the paper: merged coefficients and thresholds of all layers"
            memory, by_code = counted.memory_bits, counted.code_memory_bits
            if rule not in RULES.values():
                yield _row(model, "Memory usage [Mbit]", None, memory / _MEGA, own)
            yield _row(model, "Memory as codes [Mbit]", None, by_code / _MEGA, codes)
            yield _row(model, "Saving as codes", None, network.memory_bits / by_code, codes)
            yield _row(model, "Scheme's own [Mbit]", None, counted.scale_bits / _MEGA, scales)
