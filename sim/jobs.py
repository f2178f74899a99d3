"""Many benches side by side: a line for each as it ends, one summary, one exit status."""

import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Protocol

from sim.build import BuildError
from sim.runner import Bench, Outcome, run

__all__ = ["Job", "Result", "one_line", "run_all"]


class Job(Protocol):
    """What one worker does at a time; it is pickled on its way there."""

    @property
    def name(self) -> str:
        """What the progress line calls it."""

    @property
    def simulator(self) -> str:
        """What it runs on."""

    @property
    def replay(self) -> str:
        """Command that runs just this job again."""

    def benches(self) -> Sequence[Bench]:
        """Make its benches; takes seconds."""

    def summary(self, outcomes: Sequence[Outcome]) -> str:
        """What the progress line says of outcomes."""


@dataclass(frozen=True)
class Result:
    """What came of a job."""

    job: Job
    outcomes: tuple[Outcome, ...]
    summary: str
    problems: tuple[str, ...]
    seconds: float


def one_line(outcomes: Sequence[Outcome]) -> str:
    """Tests and cycles of the runs of one engine."""
    tests = sum(outcome.entry.tests for outcome in outcomes)
    text = f"{tests:3} tests"
    for outcome in outcomes:
        entry = outcome.entry
        if entry.predicted_cycles is not None:
            text += f", cycles {entry.cycles}/{entry.predicted_cycles} measured/predicted"
    return text


def run_all(jobs: Sequence[Job], *, workers: int | None = None) -> int:
    """Run jobs, a few at a time, and give the exit status: 0 if all of them passed.

    Waveforms are written where ``WAVES`` is 1.
    """
    if not jobs:
        print("no test collected: nothing matches", file=sys.stderr)
        return 1
    waves = os.environ.get("WAVES", "") not in ("", "0")
    start = time.monotonic()
    results: list[Result] = []
    # Workers import PyTorch, whose threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=context) as pool:
        waiting = [pool.submit(_run, job, waves) for job in jobs]
        for done in as_completed(waiting):
            results.append(done.result())
            _print(results[-1], f"[{len(results):3}/{len(jobs)}]")
    return _summary(results, time.monotonic() - start)


def _run(job: Job, waves: bool) -> Result:
    import torch

    torch.set_num_threads(1)
    start = time.monotonic()
    outcomes: list[Outcome] = []
    problems: list[str] = []
    summary = "did not run"
    try:
        for bench in job.benches():
            outcomes.append(run(bench, waves=waves))
            if not outcomes[-1].ok:
                pattern = "with" if bench.stalls else "without"
                problems += [f"{pattern} stalls: {text}" for text in outcomes[-1].problems]
                problems.append(f"log: {outcomes[-1].log}")
        summary = job.summary(outcomes)
    except BuildError as error:
        problems.append(str(error))
    except Exception:
        # Whatever went wrong in one bench, the others still run, and the status tells.
        problems.append(traceback.format_exc())
    return Result(job, tuple(outcomes), summary, tuple(problems), time.monotonic() - start)


def _print(result: Result, count: str) -> None:
    job = result.job
    verdict = "FAIL" if result.problems else "ok  "
    head = f"{count} {verdict} {job.name:24} {job.simulator:9}"
    print(f"{head} {result.summary}, {result.seconds:.1f} s", flush=True)
    for problem in result.problems:
        print("    " + problem.replace("\n", "\n    "), flush=True)
    if result.problems:
        print(f"    again: {job.replay}", flush=True)
    for outcome in result.outcomes:
        if outcome.waves is not None:
            print(f"    waves: {outcome.waves}", flush=True)


def _summary(results: list[Result], seconds: float) -> int:
    entries = [outcome.entry for result in results for outcome in result.outcomes]
    counts = {
        kind: sum(getattr(entry, kind) for entry in entries)
        for kind in ("tests", "passed", "failed", "skipped")
    }
    failed = [result for result in results if result.problems]
    engines = {_identity(entry.config) for entry in entries if entry.config is not None}
    simulators = sorted({result.job.simulator for result in results})
    text = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    print(
        f"{len(results)} benches on {' and '.join(simulators)}: {text}; "
        f"{len(engines)} engine configurations; {seconds:.0f} s"
    )
    for result in failed:
        print(f"failed: {result.job.name} on {result.job.simulator}: {result.problems[0]}")
    return 1 if failed or not counts["tests"] else 0


def _identity(config: dict[str, Any]) -> str:
    return repr(sorted(config.items()))
