"""The whole matrix of engine configurations: ``python -m sim.matrix``."""

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from sim.arguments import BenchParser
from sim.cases import Case, matrix
from sim.engine_bench import engine_benches
from sim.jobs import one_line, run_all
from sim.runner import Bench, Outcome
from sim.simulators import SIMULATORS, Simulator, chosen

__all__ = ["EngineJob", "main", "sample", "spread"]


@dataclass(frozen=True, kw_only=True)
class EngineJob:
    """Both runs of one configuration on one simulator."""

    case: Case
    simulator: str
    seed: int
    command: str

    @property
    def name(self) -> str:
        """That of the configuration."""
        return self.case.name

    @property
    def replay(self) -> str:
        """Command that runs just this job again."""
        return (
            f"SIM={self.simulator} python -m {self.command} --seed {self.seed} --only {self.name}"
        )

    def benches(self) -> list[Bench]:
        """Without stalls, and with."""
        case = self.case
        return engine_benches(
            case.config, SIMULATORS[self.simulator], seed=self.seed, key=case.name
        )

    def summary(self, outcomes: Sequence[Outcome]) -> str:
        """Tests and cycles."""
        return one_line(outcomes)


def spread(cases: Sequence[Case], simulators: Sequence[Simulator], seed: int) -> list[EngineJob]:
    """A job for each case: on the case's own simulator, or on the only one there is."""
    names = [each.name for each in simulators]
    return [
        EngineJob(
            case=case,
            simulator=case.simulator if case.simulator in names else names[0],
            seed=seed,
            command="sim.matrix",
        )
        for case in cases
    ]


def sample(cases: Sequence[Case], fraction: float, seed: int) -> list[Case]:
    """A seeded choice of so many of the cases, at least one, in their order."""
    count = max(1, round(len(cases) * fraction))
    picked = random.Random(seed).sample(range(len(cases)), count)
    return [cases[index] for index in sorted(picked)]


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; see ``--help``."""
    parser = BenchParser(prog="sim.matrix", description=__doc__)
    parser.add_argument("--fraction", type=_fraction, default=1.0, help="seeded part of the matrix")
    parser.add_argument("--list", action="store_true", help="print the configurations and stop")
    arguments = parser.parse_args(argv)
    cases = sample(matrix(), arguments.fraction, arguments.seed)
    cases = [case for case in cases if arguments.only in case.name]
    if arguments.list:
        for case in cases:
            print(f"{case.name:26} {case.simulator:9} {case.config}")
        return 0
    try:
        jobs = spread(cases, chosen(), arguments.seed)
    except ValueError as error:
        parser.error(str(error))
    return run_all(jobs, workers=arguments.workers)


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, not {text!r}")
    return value


if __name__ == "__main__":
    sys.exit(main())
