"""One network on one simulator: generated, built, streamed through, compared, reported."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pa_artifact import Network
from pa_nn import golden
from sim import report
from sim.build import BUILDS, Design
from sim.network_build import build_network
from sim.network_harness import Findings, Port, Stimulus
from sim.network_run import simulate
from sim.simulators import Simulator

__all__ = ["NETWORKS", "Accelerator", "Entry", "Outcome", "bench", "expected_logits", "generated"]

NETWORKS = Path("build/reports/network.json")

_CACHE = Path("build/cache")
_BATCH = 4
_TOLERANCE = 0.01
_UTILISATION = 0.95


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """A generated network.

    Parameters
    ----------
    design : :class:`~sim.build.Design`
        Its text.
    metadata : :class:`dict`
        What the generator says of it.
    seconds : :class:`float`
        What it took to generate.
    """

    design: Design
    metadata: Mapping[str, Any]
    seconds: float = 0.0

    @property
    def source(self) -> Port:
        """Where images go in."""
        return Port.from_metadata(self.metadata["input"])

    @property
    def sink(self) -> Port:
        """Where logits come out."""
        return Port.from_metadata(self.metadata["output"])

    def predicted(self, frames: int) -> int:
        """Cycles an image, or the latency where there are too few frames for a rate."""
        return self.metadata["latency_cycles" if frames < 3 else "cycles_per_image"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What ``network.json`` says of one run.

    Parameters
    ----------
    name, image, simulator : :class:`str`
        Network, size of its images, and what it ran on: together the identity of the run.
    images : :class:`int`
        Frames streamed through.
    logits_compared, mismatches : :class:`int`
        Elements of the result.
    cycles_per_image : :class:`float`
        From the second frame's end to the last's; the latency where there are fewer than 3 frames.
    predicted_cycles_per_image : :class:`int`
        What the generator says of the same.
    bottleneck_utilisation : :class:`float` or ``None``
        Cycles of a frame in which the slowest node works; ``None`` for fewer than 3 frames.
    generate_s, build_s, simulate_s : :class:`float`
        Seconds; the build's are those of the run that built the model.
    fifo_bits : :class:`int`
        Bits in all FIFOs of the accelerator.
    """

    name: str
    image: str
    images: int
    simulator: str
    logits_compared: int
    mismatches: int
    cycles_per_image: float | None
    predicted_cycles_per_image: int
    bottleneck_utilisation: float | None
    generate_s: float
    build_s: float
    simulate_s: float
    fifo_bits: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a run.

    Parameters
    ----------
    entry : :class:`Entry`
        The figures.
    problems : tuple of :class:`str`
        One line for each thing that went wrong.
    findings : :class:`~sim.network_harness.Findings`
        What the harness said, frame by frame.
    log : :class:`~pathlib.Path`
        Output of the simulator.
    """

    entry: Entry
    problems: tuple[str, ...]
    findings: Findings = field(repr=False)
    log: Path


def generated(
    network: Network,
    folding: Mapping[str, Mapping[str, int]],
    *,
    name: str,
    clock_mhz: float = 100.0,
    datapath: str = "popcount",
    target: str = "generic",
    fifo_depths: Mapping[str, int] | None = None,
) -> Accelerator:
    """An accelerator for a network; nodes that were generated before come from a cache."""
    from pa_hdl.network.generate import generate

    start = time.monotonic()
    made = generate(
        network,
        folding,
        name=name,
        clock_mhz=clock_mhz,
        datapath=datapath,
        target=target,
        fifo_depths=fifo_depths,
        cache=_CACHE,
        progress=True,
    )
    return Accelerator(
        design=Design(
            top=made.metadata["top"],
            verilog="\n".join([*made.verilog.values(), *made.models.values()]),
            memories=made.memories,
        ),
        metadata=made.metadata,
        seconds=time.monotonic() - start,
    )


def expected_logits(network: Network, images: NDArray[np.int64]) -> NDArray[np.int64]:
    """Result of the golden model, (count, channels, height, width)."""
    [result] = [node.name for node in network.nodes if not network.consumers_of(node.name)]
    return np.concatenate(
        [
            golden.run(network, images[start : start + _BATCH], fast=True)[result].numpy()
            for start in range(0, len(images), _BATCH)
        ]
    )


def bench(
    accelerator: Accelerator,
    images: NDArray[np.int64],
    expected: NDArray[np.int64],
    simulator: Simulator,
    *,
    name: str,
    frames: int | None = None,
    stalls: int | None = None,
    lengths: Sequence[int] = (),
    waves: bool = False,
    record: bool = True,
) -> Outcome:
    """Stream images through an accelerator and compare every logit.

    Parameters
    ----------
    images, expected : arrays (count, channels, height, width)
    name : :class:`str`
        What the report calls the network.
    frames : :class:`int`, optional
        Frames to send, the images repeating; by default each image once.
    stalls : :class:`int`, optional
        Seed of random stalls at both ends. Cycles are then neither judged nor recorded.
    lengths : sequence of :class:`int`
        Beats of the first frames, some of them wrong; see :class:`~sim.network_harness.Stimulus`.
    waves : :class:`bool`
        Write waveforms beside the log.
    record : :class:`bool`
        Add the run to ``network.json``; runs with stalls or frames of wrong lengths never are.

    Raises
    ------
    BuildError
        If the simulator refuses the Verilog.
    """
    source, sink = accelerator.source, accelerator.sink
    facts = accelerator.metadata
    stimulus = Stimulus(
        frames=len(images) if frames is None else frames,
        stored=len(images),
        patience=4 * facts["latency_cycles"] + 4 * facts["cycles_per_image"] + 10_000,
        **({} if stalls is None else {"seed": stalls, "in_density": 96, "out_density": 96}),
        lengths=lengths,
    )
    model = build_network(
        accelerator.design, source, sink, simulator, images=len(images), waves=waves
    )
    files = {
        **accelerator.design.memories,
        **stimulus.memories(source, sink, images, expected),
    }
    size = f"{source.height}x{source.width}x{source.channels}"
    folder = BUILDS / "runs" / re.sub(r"\W+", "-", f"network-{name}-{size}-{simulator.name}")
    run = simulate(
        model,
        stimulus,
        files,
        folder.resolve(),
        name=f"{name} {simulator.name}",
        cycles=facts["latency_cycles"] + (stimulus.frames - 1) * facts["cycles_per_image"],
    )
    timed = stalls is None and not lengths
    entry = _entry(accelerator, run.findings, stimulus.frames, timed=timed) | {
        "name": name,
        "image": size,
        "simulator": simulator.name,
        "generate_s": round(accelerator.seconds, 2),
        "build_s": model.seconds,
        "simulate_s": round(run.seconds, 2),
    }
    outcome = Outcome(
        entry=Entry(**entry),
        problems=(
            *run.problems,
            *run.findings.problems(stimulus, source, sink),
            *(_late(Entry(**entry)) if timed else ()),
        ),
        findings=run.findings,
        log=run.log,
    )
    if record and timed:
        report.replace_entry(
            asdict(outcome.entry),
            NETWORKS,
            table="networks",
            key=lambda row: (row["name"], row["image"], row["simulator"]),
        )
    return outcome


def _entry(
    accelerator: Accelerator, findings: Findings, frames: int, *, timed: bool
) -> dict[str, Any]:
    """Figures of a run; those of time are empty where it stalled or ended too early."""
    facts = accelerator.metadata
    whole = timed and len(findings.frames) == frames
    cycles = findings.cycles_per_image if whole else None
    busy = facts["bottleneck"]["cycles"]
    return {
        "images": len(findings.frames),
        "logits_compared": findings.counts.get("compared", 0),
        "mismatches": findings.counts.get("mismatches", 0),
        "cycles_per_image": cycles,
        "predicted_cycles_per_image": accelerator.predicted(frames),
        "bottleneck_utilisation": (
            round(busy / cycles, 4) if cycles is not None and frames >= 3 else None
        ),
        "fifo_bits": facts["fifo_bits"],
    }


def _late(entry: Entry) -> list[str]:
    """What is wrong with the time that an accelerator takes."""
    if entry.cycles_per_image is None:
        return []
    measured, predicted = entry.cycles_per_image, entry.predicted_cycles_per_image
    found = []
    if abs(measured - predicted) > _TOLERANCE * predicted:
        found.append(f"cycles an image: measured {measured:g}, predicted {predicted}")
    used = entry.bottleneck_utilisation
    if used is not None and used < _UTILISATION:
        found.append(f"bottleneck utilisation: {used}, must be at least {_UTILISATION}")
    return found
