"""The last step of the ladder: integers against hardware, and which node differs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pa_artifact import Network
from pa_hdl.folding import fold_for_rate
from sim.network_bench import bench, expected_logits, generated
from sim.simulators import SIMULATORS

__all__ = ["Comparison", "Simulation", "compare_rtl", "locate", "part"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What came of images in hardware.

    Members
    -------
    images : how many
    logits_compared, mismatches : elements of the result
    problems : one line for each thing that went wrong
    node : the first one that differs from its integers, None where all agree
    """

    images: int
    logits_compared: int
    mismatches: int
    problems: tuple[str, ...]
    node: str | None

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {**vars(self), "problems": list(self.problems)}


# Elements compared, those that differ, and what else went wrong.
Findings = tuple[int, int, tuple[str, ...]]
Simulate = Callable[[Network, torch.Tensor], Findings]


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """Accelerators in a simulator.

    Parameters
    ----------
    name : of the runs
    simulator : a name of :data:`sim.simulators.SIMULATORS`
    fps, clock_mhz : what to fold for
    """

    name: str
    simulator: str = "verilator"
    fps: float = 1000.0
    clock_mhz: float = 100.0

    def __call__(self, network: Network, images: torch.Tensor) -> Findings:
        """Generate, build and run the accelerator of a network."""
        folding = fold_for_rate(network, fps=self.fps, clock_mhz=self.clock_mhz)
        pixels = images.numpy().astype(np.int64)
        outcome = bench(
            generated(network, folding.nodes, name="pa_network", clock_mhz=self.clock_mhz),
            pixels,
            expected_logits(network, pixels),
            SIMULATORS[self.simulator],
            name=self.name,
            record=False,
        )
        return outcome.entry.logits_compared, outcome.entry.mismatches, outcome.problems


def compare_rtl(network: Network, images: torch.Tensor, simulate: Simulate) -> Comparison:
    """Stream images, uint8 ``(B, C, H, W)``, through hardware, and compare every logit.

    Where one differs, smaller accelerators that end at its operands, at theirs, and so on, find the
    node that is wrong although what it is given is right.
    """
    compared, mismatches, problems = simulate(network, images)

    def differs(smaller: Network) -> bool:
        compared, mismatches, _ = simulate(smaller, images)
        return _wrong(compared, mismatches)

    return Comparison(
        images=len(images),
        logits_compared=compared,
        mismatches=mismatches,
        problems=problems,
        node=locate(network, differs) if _wrong(compared, mismatches) else None,
    )


def _wrong(compared: int, mismatches: int) -> bool:
    return mismatches > 0 or compared == 0


def part(network: Network, name: str) -> Network:
    """The network that ends at a node: the node and all that it depends on."""
    kept = {name}
    for node in reversed(network.nodes):
        if node.name in kept:
            kept |= {operand.name for operand in network.inputs_of(node.name)}
    return Network(
        nodes=tuple(node for node in network.nodes if node.name in kept),
        edges=tuple(edge for edge in network.edges if edge[1] in kept),
        producer=network.producer,
    )


def locate(network: Network, differs: Callable[[Network], bool]) -> str:
    """The node that differs although none of its operands does; that of the result differs."""
    [node] = [node for node in network.nodes if not network.consumers_of(node.name)]
    known: dict[str, bool] = {}
    while True:
        wrong = None
        for operand in network.inputs_of(node.name):
            if operand.kind == "input":
                continue
            if operand.name not in known:
                known[operand.name] = differs(part(network, operand.name))
            if known[operand.name]:
                wrong = operand
                break
        if wrong is None:
            return node.name
        node = wrong
