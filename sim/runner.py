"""One run of one bench: Verilog in, an :class:`~sim.report.Entry` out."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from cocotb_tools.runner import get_runner
from filelock import FileLock
from numpy.typing import NDArray

from sim import report
from sim.build import BUILDS, Design, build
from sim.inputs import ARRAYS, MEASURED, SCALARS
from sim.simulators import Simulator, environment

__all__ = ["Bench", "Outcome", "run"]

_MISSING_MEMORY = re.compile(r".*(\$?readmem\S* file not found|\$readmem\w: Unable to open).*")
_WAVES = {"verilator": "dump.vcd", "icarus": "waves.fst"}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What to run, and what it is given.

    Parameters
    ----------
    name : :class:`str`
        What the report calls it.
    module : :class:`str`
        Python module of its cocotb tests.
    tests : tuple of :class:`str`
        Tests of that module to run; a run in which any of them does not appear has failed.
    design : :class:`~sim.build.Design`
        Verilog under test.
    simulator : :class:`~sim.simulators.Simulator`
        What to run it on.
    seed : :class:`int`
        Of everything random in the bench.
    stalls : :class:`bool`
        Whether both streams stall at random.
    config : :class:`dict` or ``None``
        The engine's configuration, for the report.
    predicted_cycles : :class:`int` or ``None``
        For the report; the bench itself asserts it.
    scalars : mapping
        Inputs and expected values that JSON can hold (:func:`sim.inputs.scalars`).
    arrays : mapping of :class:`str` to array
        Those that are arrays (:func:`sim.inputs.arrays`).
    """

    name: str
    module: str
    tests: tuple[str, ...]
    design: Design
    simulator: Simulator
    seed: int
    stalls: bool = False
    config: dict[str, Any] | None = None
    predicted_cycles: int | None = None
    scalars: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where it runs: memory files, inputs, log, results."""
        name = re.sub(r"[^A-Za-z0-9_.]+", "-", self.name)
        pattern = "stalls" if self.stalls else "flow"
        return (BUILDS / "runs" / f"{name}-{self.simulator.name}-{pattern}").resolve()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a run.

    Parameters
    ----------
    entry : :class:`~sim.report.Entry`
        The counts.
    problems : tuple of :class:`str`
        One line for each thing that went wrong.
    measured : :class:`dict`
        Whatever else the bench measured.
    seconds : :class:`float`
        Of the simulation, without the build.
    log, waves : :class:`~pathlib.Path` or ``None``
        Output of the simulator, and its waveforms where they were asked for.
    """

    entry: report.Entry
    problems: tuple[str, ...]
    measured: dict[str, Any]
    seconds: float
    log: Path
    waves: Path | None

    @property
    def ok(self) -> bool:
        """Whether every test ran and passed."""
        return not self.problems


def run(bench: Bench, *, waves: bool = False, record: bool = True) -> Outcome:
    """Build what a bench needs, run it, and write its entry into the report.

    Parameters
    ----------
    waves : :class:`bool`
        Write waveforms.
    record : :class:`bool`
        Off for engines that are broken on purpose.

    Raises
    ------
    BuildError
        If the simulator refuses the Verilog.
    """
    model = build(bench.design, bench.simulator, waves=waves)
    folder = bench.folder
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        _prepare(bench)
        start = time.monotonic()
        _simulate(bench, model, waves)
        seconds = time.monotonic() - start
        outcome = _outcome(bench, seconds, waves)
    if record:
        report.record(outcome.entry)
    return outcome


def _prepare(bench: Bench) -> None:
    for stale in bench.folder.iterdir():
        if stale.is_file():
            stale.unlink()
    for name, text in bench.design.memories.items():
        (bench.folder / name).write_text(text)
    (bench.folder / SCALARS).write_text(
        json.dumps({**bench.scalars, "seed": bench.seed, "stalls": bench.stalls})
    )
    np.savez(bench.folder / ARRAYS, allow_pickle=False, **bench.arrays)


def _simulate(bench: Bench, model: Path, waves: bool) -> None:
    """Run the tests; what came of them stands in the results file, if there is one."""
    folder = bench.folder
    try:
        with environment(WAVES=None):
            get_runner(bench.simulator.name).test(
                test_module=bench.module,
                hdl_toplevel=bench.design.top,
                hdl_toplevel_lang="verilog",
                build_dir=model,
                test_dir=folder,
                seed=bench.seed,
                test_filter=rf"\.({'|'.join(map(re.escape, bench.tests))})$",
                results_xml=str(folder / "results.xml"),
                extra_env={"COCOTB_LOG_LEVEL": "WARNING"},
                waves=waves,
                log_file=folder / "sim.log",
            )
    except (RuntimeError, SystemExit):
        # A simulator that ended badly leaves no results, or results that say so.
        return


def _outcome(bench: Bench, seconds: float, waves: bool) -> Outcome:
    folder = bench.folder
    log = (folder / "sim.log").read_text(errors="replace")
    passed, skipped, problems = _results(folder / "results.xml", bench.tests)
    missing = [match[0].strip() for match in map(_MISSING_MEMORY.match, log.splitlines()) if match]
    if missing:
        passed = 0
        problems += missing
    file = folder / MEASURED
    measured = json.loads(file.read_text()) if file.exists() else {}
    trace = folder / _WAVES[bench.simulator.name]
    return Outcome(
        entry=report.Entry(
            bench=bench.name,
            simulator=bench.simulator.name,
            config=bench.config,
            stalls=bench.stalls,
            tests=len(bench.tests),
            passed=passed,
            failed=len(bench.tests) - passed - skipped,
            skipped=skipped,
            cycles=measured.pop("cycles", None),
            predicted_cycles=bench.predicted_cycles,
        ),
        problems=tuple(problems),
        measured=measured,
        seconds=seconds,
        log=folder / "sim.log",
        waves=trace if waves and trace.exists() else None,
    )


def _results(path: Path, tests: tuple[str, ...]) -> tuple[int, int, list[str]]:
    """Passed, skipped, and a line for each test that did neither run nor pass."""
    if not tests:
        return 0, 0, ["no test collected"]
    if not path.exists():
        return 0, 0, ["the simulator ended without results"]
    passed = skipped = 0
    problems = []
    cases = {case.get("name", ""): case for case in ElementTree.parse(path).iter("testcase")}
    for test in tests:
        case = cases.pop(test, None)
        if case is None:
            problems.append(f"{test}: not collected")
        elif case.find("skipped") is not None:
            skipped += 1
            problems.append(f"{test}: skipped")
        elif (bad := case.find("failure")) is not None or (bad := case.find("error")) is not None:
            problems.append(f"{test}: {_first_line(bad)}")
        else:
            passed += 1
    problems += [f"{name}: not asked for" for name in cases]
    return passed, skipped, problems


def _first_line(element: ElementTree.Element) -> str:
    text = element.get("error_msg") or element.get("message") or element.text or "failed"
    return text.strip().splitlines()[0]
