"""A whole accelerator on images: ``python -m sim.network NAME.pa --fps 1000``.

Generates the accelerator, streams images through it back to back, and compares every logit with the
golden model. ``WAVES=1`` writes waveforms. ``build/reports/network.json`` keeps what was measured.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

import torch

from pa_hdl.arguments import OneLineParser
from sim.build import BuildError
from sim.network_bench import NETWORKS, Accelerator, Outcome, bench, expected_logits, generated
from sim.network_inputs import add_subject_flags, chosen_folding, subject
from sim.simulators import SIMULATORS

__all__ = ["main"]


def _parser() -> OneLineParser:
    parser = OneLineParser(prog="python -m sim.network", description=__doc__, allow_abbrev=False)
    add_subject_flags(parser)
    parser.add_argument(
        "--simulator",
        choices=list(SIMULATORS),
        default="verilator",
        help="what to run it on (default: verilator)",
    )
    parser.add_argument(
        "--stalls", type=int, metavar="SEED", help="stall both streams at random; not recorded"
    )
    parser.add_argument(
        "--bad-frames",
        action="store_true",
        help="let every other of the first frames end early or late; not recorded",
    )
    return parser


def _bad_lengths(beats: int, frames: int) -> list[int]:
    """Beats of frames: good ones between some that are cut, empty but for a beat, or too long."""
    bad = (beats // 2, beats + beats // 2, 1, 2 * beats + 1, beats - 1, beats + 1)
    return [bad[frame // 2 % len(bad)] if frame % 2 else beats for frame in range(min(frames, 64))]


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; see ``--help``.

    Status 1 for anything wrong with the accelerator, 2 for bad input; a simulator that is not
    installed is skipped with one line.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    simulator = SIMULATORS[arguments.simulator]
    if not simulator.available():
        print(simulator.missing, file=sys.stderr)
        return 0
    torch.set_num_threads(1)
    try:
        chosen = subject(arguments)
        made = generated(
            chosen.network,
            chosen_folding(chosen.network, arguments).nodes,
            name="pa_network",
            clock_mhz=arguments.clock,
            datapath=arguments.datapath,
            target=arguments.target,
        )
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    except (TypeError, ValueError) as error:
        parser.error(str(error))
    beats, frames = made.source.beats, len(chosen.images)
    lengths = _bad_lengths(beats, frames) if arguments.bad_frames else []
    try:
        outcome = bench(
            made,
            chosen.images,
            expected_logits(chosen.network, chosen.images),
            simulator,
            name=chosen.name,
            stalls=arguments.stalls,
            lengths=lengths,
            waves=os.environ.get("WAVES", "") not in ("", "0"),
        )
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    _print(made, outcome)
    return 1 if outcome.problems else 0


def _print(made: Accelerator, outcome: Outcome) -> None:
    entry = outcome.entry
    used = entry.bottleneck_utilisation
    busy = "" if used is None else f"{made.metadata['bottleneck']['node']} {used:.1%} busy, "
    measured = "" if entry.cycles_per_image is None else f"{entry.cycles_per_image:.0f}"
    speed = outcome.findings.counts.get("cycles", 0) / max(entry.simulate_s, 0.01)
    print(
        "{verdict} {name} {image} on {simulator}: {images} images, {logits_compared} logits, "
        "{mismatches} mismatches, {timing}{busy}FIFOs {fifo_bits} bits, generate {generate_s} s, "
        "build {build_s} s, simulate {simulate_s} s ({speed:,.0f} cycles/s)".format(
            **asdict(entry),
            verdict="FAIL" if outcome.problems else "ok  ",
            timing=f"cycles {measured}/{entry.predicted_cycles_per_image} measured/predicted, "
            if measured
            else "",
            busy=busy,
            speed=speed,
        )
    )
    for problem in outcome.problems:
        print(f"    {problem}")
    if outcome.problems:
        print(f"    log: {outcome.log}")
    elif outcome.entry.cycles_per_image is not None:
        print(f"    report: {NETWORKS}")


if __name__ == "__main__":
    sys.exit(main())
