"""How deep FIFOs must be, found by trying: ``python -m sim.fifo_search NETWORK --fps 20000``.

Each FIFO of an accelerator is made shallower, the others staying as they were computed, until the
accelerator loses throughput in simulation. The table that is printed shows how close the analysis
comes. Every trial is an accelerator built anew, so the network should be small.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from pa_hdl.arguments import OneLineParser
from pa_hdl.network.postpone import FEWEST
from sim import report
from sim.arguments import positive
from sim.build import BuildError
from sim.network_bench import bench, expected_logits, generated
from sim.network_inputs import Subject, add_subject_flags, chosen_folding, subject
from sim.simulators import SIMULATORS, Simulator

__all__ = ["SEARCHES", "Found", "main", "search", "smallest"]

SEARCHES = Path("build/reports/fifo_search.json")

_LOSS = 0.001
"""Part of the throughput that counts as lost."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One FIFO: the depth that the generator computes, and the smallest that serves."""

    fifo: str
    computed: int
    smallest: int


def smallest(depth: int, keeps: Callable[[int], bool], *, least: int = FEWEST) -> int:
    """The smallest depth from ``least`` up that keeps the throughput, as ``depth`` does.

    Steps down are doubled while they succeed: most depths can shrink by little or not at all.
    """
    good, bad, step = depth, least - 1, 1
    while good - bad > 1:
        trial = max(good - step, bad + 1)
        if keeps(trial):
            good = trial
        else:
            bad = trial
        step = 2 * step if bad < least else (good - bad) // 2
    return good


class _Trials:
    """Accelerators of one network that differ in the depths of their FIFOs."""

    def __init__(
        self,
        chosen: Subject,
        folding: Mapping[str, Mapping[str, int]],
        simulator: Simulator,
        frames: int,
    ) -> None:
        self.chosen = chosen
        self.folding = folding
        self.simulator = simulator
        self.frames = frames
        self.expected = expected_logits(chosen.network, chosen.images)
        self.computed: dict[str, int] = {}
        self.fastest = self.cycles({})

    def cycles(self, depths: Mapping[str, int]) -> float | None:
        """Cycles an image with these depths; ``None`` where it does not get through.

        Raises
        ------
        ValueError
            If a logit is wrong, which no depth may cause.
        """
        made = generated(self.chosen.network, self.folding, name="pa_network", fifo_depths=depths)
        if not depths:
            self.computed = {fifo["name"]: fifo["depth"] for fifo in made.metadata["fifos"]}
        outcome = bench(
            made,
            self.chosen.images,
            self.expected,
            self.simulator,
            name=f"fifo search {self.chosen.name}",
            frames=self.frames,
            record=False,
        )
        if outcome.entry.mismatches:
            raise ValueError(f"{dict(depths)}: {outcome.entry.mismatches} wrong logits")
        return outcome.entry.cycles_per_image

    def keeps(self, fifo: str, depth: int) -> bool:
        """Whether the throughput stays when one FIFO has another depth."""
        cycles = self.cycles({fifo: depth})
        if self.fastest is None:
            raise ValueError("the accelerator hangs with the computed depths")
        return cycles is not None and cycles <= self.fastest * (1 + _LOSS)


def search(
    chosen: Subject,
    folding: Mapping[str, Mapping[str, int]],
    simulator: Simulator,
    *,
    frames: int,
    only: str = "",
) -> list[Found]:
    """The smallest depth of each FIFO whose name has a text, all others as computed."""
    trials = _Trials(chosen, folding, simulator, frames)
    wanted = [name for name in trials.computed if only in name]
    found = []
    for name in tqdm(wanted, desc="FIFOs", unit="FIFO", disable=None):
        depth = trials.computed[name]
        least = smallest(depth, partial(trials.keeps, name))
        found.append(Found(fifo=name, computed=depth, smallest=least))
        tqdm.write(f"{name:40} {depth:8} {least:8}")
    return found


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="python -m sim.fifo_search", description=__doc__, allow_abbrev=False
    )
    add_subject_flags(parser)
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="FIFOs whose name has TEXT; not recorded"
    )
    parser.add_argument(
        "--frames", type=positive, default=6, help="frames a trial sends (default: 6)"
    )
    parser.add_argument(
        "--simulator",
        choices=list(SIMULATORS),
        default="verilator",
        help="what to run it on (default: verilator)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; see ``--help``."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    simulator = SIMULATORS[arguments.simulator]
    if not simulator.available():
        parser.error(simulator.missing)
    if arguments.frames < 3:
        parser.error(f"--frames must be at least 3, not {arguments.frames}")
    torch.set_num_threads(1)
    try:
        chosen = subject(arguments)
        folding = chosen_folding(chosen.network, arguments).nodes
        print(f"{'FIFO':40} {'computed':>8} {'smallest':>8}")
        found = search(chosen, folding, simulator, frames=arguments.frames, only=arguments.only)
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    except (TypeError, ValueError) as error:
        parser.error(str(error))
    shrink = max((each.computed - each.smallest for each in found), default=0)
    print(f"{len(found)} FIFOs; none could be shallower by more than {shrink}")
    if not arguments.only:
        shape = chosen.images.shape
        report.replace_entry(
            {
                "name": chosen.name,
                "image": f"{shape[2]}x{shape[3]}x{shape[1]}",
                "fifos": [asdict(each) for each in found],
            },
            SEARCHES,
            table="searches",
            key=lambda row: (row["name"], row["image"]),
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
