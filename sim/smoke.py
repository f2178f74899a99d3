"""Every unit and a few engines on both simulators: ``python -m sim.smoke``."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from sim.arguments import BenchParser
from sim.cases import smoke
from sim.jobs import Job, one_line, run_all
from sim.matrix import EngineJob
from sim.runner import Bench, Outcome
from sim.simulators import SIMULATORS, chosen
from sim.unit import unit_benches
from sim.units_datapaths import DATAPATH_UNITS, datapath_unit

__all__ = ["UNITS", "UnitJob", "main"]

UNITS = (
    "popcount",
    "and_popcount",
    "sum_tree",
    "onehot_decoder",
    "thermometer_decoder",
    "encoder",
    "comparators",
    "loaded_comparators",
    "pe",
    "onehot_phi_store",
    "thermometer_phi_store",
    "onehot_dot",
    "thermometer_dot",
    "loaded_dot",
    "ram",
    "registered_ram",
    "frame_guard",
    "collector",
    "line_writer",
    "pixel_scan",
    "tap_scan",
    "window",
    "loader",
    "fifo",
    "deep_fifo",
    "fork",
    "gather",
    "split",
    "regroup",
    "add",
    "concat",
    "scaler",
    "rescale",
    "rescale_one_fold",
    "global_pool",
    "global_pool_one_fold",
    "zero_point",
    "multiply_dot",
    "multiply",
    "multiply_grouped",
    "multiply_depthwise",
    "multiply_linear",
    "max_pool",
    "sum_pool",
    *DATAPATH_UNITS,
)
"""Names of all unit benches."""


@dataclass(frozen=True, kw_only=True)
class UnitJob:
    """One component on one simulator."""

    unit: str
    simulator: str
    seed: int

    @property
    def name(self) -> str:
        """That of the unit, apart from engines."""
        return f"unit.{self.unit}"

    @property
    def replay(self) -> str:
        """Command that runs just this job again."""
        return f"SIM={self.simulator} python -m sim.smoke --seed {self.seed} --only {self.name}"

    def benches(self) -> list[Bench]:
        """Without stalls and, where there is a handshake, with."""
        if self.unit in DATAPATH_UNITS:
            unit = datapath_unit(self.unit, self.seed)
            return unit_benches(unit, SIMULATORS[self.simulator], self.seed)
        from sim.units_arithmetic import arithmetic_units
        from sim.units_engines import engine_units
        from sim.units_nodes import node_units
        from sim.units_streams import stream_units

        seed = self.seed
        units = [*arithmetic_units(seed), *stream_units(seed)]
        units += [*node_units(seed), *engine_units(seed)]
        for other in units:
            # All are made from one seed; the others are not meant to become hardware here.
            other.component._MustUse__silence = True
        [unit] = [unit for unit in units if unit.name == self.unit]
        return unit_benches(unit, SIMULATORS[self.simulator], self.seed)

    def summary(self, outcomes: Sequence[Outcome]) -> str:
        """Number of tests."""
        return one_line(outcomes)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; see ``--help``."""
    parser = BenchParser(prog="sim.smoke", description=__doc__)
    arguments = parser.parse_args(argv)
    try:
        names = [simulator.name for simulator in chosen()]
    except ValueError as error:
        parser.error(str(error))
    seed = arguments.seed
    jobs: list[Job] = [
        EngineJob(case=case, simulator=name, seed=seed, command="sim.smoke")
        for case in smoke()
        for name in names
    ]
    jobs += [UnitJob(unit=unit, simulator=name, seed=seed) for unit in UNITS for name in names]
    chosen_jobs = [job for job in jobs if arguments.only in job.name]
    return run_all(chosen_jobs, workers=arguments.workers)


if __name__ == "__main__":
    sys.exit(main())
