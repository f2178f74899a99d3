"""The queue: trains what is missing, several at once, within a budget of time.

Its state is the folders of the trainings and the list of results, nothing else.  A queue that is
killed loses the epochs in progress; started again, or started twice, it goes on from the last
complete ones.
"""

import shlex
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from tqdm import tqdm

from experiments import results, worker
from experiments.cost import Estimate, clock
from experiments.protocol import Places, Run, Training
from pa_artifact.whole import write_whole
from pa_nn.train import main as train

__all__ = ["Queue"]

FAILED = "failed.txt"
POLL = 1.0  # seconds
PAUSE = 20.0  # seconds until a training that another queue works on is looked at again

Trials = list[tuple[float, float | None]]


@dataclass(kw_only=True)
class Queue:
    """Trains ``runs`` in their order and records each in ``file``.

    Parameters
    ----------
    runs : sequence of Run
    places : Places
    file : path
        Results, as :mod:`experiments.results` keeps them.
    budget : float
        Seconds after which trainings are broken off.
    jobs, threads : int
        Trainings at once, and threads of each.
    precision : str
        As ``pa_nn.train`` takes it.
    main : callable
        Trains as :func:`pa_nn.train.main` does.
    """

    runs: Sequence[Run]
    places: Places
    file: Path
    budget: float
    jobs: int = 2
    threads: int = 1
    precision: str = "bfloat16"
    main: Callable[[Sequence[str]], int] = train
    _active: dict[str, tuple[Training, BaseProcess]] = field(default_factory=dict, init=False)
    _elsewhere: dict[str, float] = field(default_factory=dict, init=False)
    broken: dict[str, str] = field(default_factory=dict, init=False)

    def finished(self, training: Training) -> bool:
        """Whether all its epochs are done."""
        return len(worker.read_log(training.folder(self.places))) >= training.epochs

    def failure(self, training: Training) -> str | None:
        """Why it failed, None where it did not."""
        path = training.folder(self.places) / FAILED
        return path.read_text() if path.exists() else self.broken.get(training.name)

    def trials(self, run: Run, runs: Sequence[results.Record]) -> Trials:
        """Learning rates and held-out accuracies, None for a failed trial, as far as there are.

        The same choice made for another run is taken over, so that it outlives its folders.
        """
        same = ("dataset", "model", "scheme", "m", "n", "weight_bits", "activation_bits")
        identity = run.identity()
        for record in runs:
            rates = tuple(rate for rate, _ in record["trials"] or ())
            if rates == run.protocol.rates and all(record[k] == identity[k] for k in same):
                return [tuple(trial) for trial in record["trials"]]
        found: Trials = []
        for trial in run.trials():
            if self.finished(trial):
                found.append((trial.rate, worker.read_log(trial.folder(self.places))[-1].top1))
            elif (trial.folder(self.places) / FAILED).exists():
                found.append((trial.rate, None))
        return found

    def wanted(self, run: Run, runs: Sequence[results.Record]) -> list[Training]:
        """Trainings that a run waits for: its start, its trials, then itself.

        None are wanted where all trials have failed.
        """
        if run.protocol.start is not None:
            origin = run.start_run.training(run.start_run.protocol.rates[0])
            if not self.finished(origin):
                return [origin]
        trials = self.trials(run, runs)
        known = [rate for rate, _ in trials]
        pending = [trial for trial in run.trials() if trial.rate not in known]
        if pending:
            return pending
        rates = {rate: top1 for rate, top1 in trials if top1 is not None}
        if trials and not rates:
            return []
        return [run.training(max(rates, key=rates.__getitem__) if rates else run.protocol.rates[0])]

    def record(self, run: Run, runs: Sequence[results.Record]) -> results.Record | None:
        """The record of a run that has ended, well or not; None where it has not."""
        wanted = self.wanted(run, runs)
        trials = self.trials(run, runs)
        common = {
            **run.identity(),
            "top1": None,
            "trials": [list(trial) for trial in trials] or None,
            "full_precision_top1": 0.0,
            "lr": None,
            "seconds": None,
            "command": "",
        }
        if not wanted:
            return {**common, "error": "every trial of a learning rate failed"}
        training = wanted[0]
        if training.trial or training.run != run:
            return None
        error = training.folder(self.places) / FAILED
        if not self.finished(training) and not error.exists():
            return None
        log = worker.read_log(training.folder(self.places))
        if run.protocol.start is not None:
            origin = worker.read_log(run.start_run.start_folder(self.places))
        else:
            origin = log
        shown = Places(data={name: Path("DIR") for name in self.places.data})
        argv = training.argv(shown, precision=self.precision)
        common.update(
            full_precision_top1=round(origin[-1].top1, 2) if origin else 0.0,
            lr=training.rate,
            seconds=round(sum(epoch.seconds for epoch in log), 1),
            command=shlex.join(["python", "-m", "pa_nn.train", *argv]),
        )
        if error.exists():
            return {**common, "error": error.read_text()}
        return {**common, "top1": round(log[-1].top1, 2)}

    def remaining(self) -> list[Training]:
        """All that is still to do, as far as it can be told, each training once."""
        records = results.load(self.file)["runs"]
        left = {}
        for run in self.runs:
            if results.find(records, run.identity()) is not None:
                continue
            wanted = self.wanted(run, records)
            if wanted and wanted[0].run != run:
                wanted = [*wanted, *run.trials()]
            if wanted:
                wanted = [*wanted, run.training(run.protocol.rates[0])]
            for training in wanted:
                if not self.finished(training) and self.failure(training) is None:
                    left[training.name] = training
        return list(left.values())

    def left(self) -> float:
        """Estimated seconds until all is done."""
        every = [t for run in self.runs for t in (*run.trials(), run.training(0.0))]
        estimate = Estimate(every, self.places)
        return sum(estimate.seconds(training) for training in self.remaining()) / self.jobs

    def forget_failures(self) -> None:
        """Let failed trainings begin anew."""
        for run in self.runs:
            for training in (*run.trials(), run.training(0.0)):
                folder = training.folder(self.places)
                if (folder / FAILED).exists():
                    shutil.rmtree(folder)

    def run(self) -> bool:
        """Work until all is done or the time is up; whether nothing was left undone."""
        deadline = time.monotonic() + self.budget
        with tqdm(unit="epoch", disable=None) as bar:
            try:
                while time.monotonic() < deadline and self._go_on():
                    self._show(bar)
                    wait([p.sentinel for _, p in self._active.values()], timeout=POLL)
                    self._reap()
            finally:
                for _, process in self._active.values():
                    process.terminate()
                for _, process in self._active.values():
                    process.join()
                self._active.clear()
        for name, message in self.broken.items():
            tqdm.write(f"{name} broke off: {message}")
        rest = self.remaining()
        if rest:
            tqdm.write(f"{len(rest)} trainings are left, about {clock(self.left())}")
        return not rest and not self.broken

    def _go_on(self) -> bool:
        """Record what has ended and start what there is room for; False where nothing is left."""
        self._settle()
        while len(self._active) < self.jobs:
            training = self._next()
            if training is None:
                break
            folder = training.folder(self.places)
            argv = training.argv(self.places, precision=self.precision)
            process = worker.start(folder, [*argv, "--threads", str(self.threads)], main=self.main)
            self._active[training.name] = (training, process)
        return bool(self._active) or any(t > time.monotonic() for t in self._elsewhere.values())

    def _settle(self) -> None:
        records = results.load(self.file)
        for run in self.runs:
            identity = run.identity()
            if results.find(records["runs"], identity) is not None:
                continue
            record = self.record(run, records["runs"])
            if record is None or record == results.find(records["failures"], identity):
                continue
            results.add(self.file, [record])
            said = record.get("error") or f"{record['top1']:.2f} % at {record['lr']}"
            tqdm.write(f"{run.name}: {said}, about {clock(self.left())} left")

    def _next(self) -> Training | None:
        records = results.load(self.file)["runs"]
        for run in self.runs:
            if results.find(records, run.identity()) is not None:
                continue
            for training in self.wanted(run, records):
                if (
                    training.name not in self._active
                    and self._elsewhere.get(training.name, 0) < time.monotonic()
                    and self.failure(training) is None
                ):
                    return training
        return None

    def _reap(self) -> None:
        ended = [name for name, (_, process) in self._active.items() if not process.is_alive()]
        for name in ended:
            training, process = self._active.pop(name)
            process.join()
            folder = training.folder(self.places)
            if process.exitcode == worker.BUSY:
                self._elsewhere[name] = time.monotonic() + PAUSE
            elif process.exitcode == 1:
                write_whole(folder / FAILED, worker.why(folder).encode())
                tqdm.write(f"{name} failed: {worker.why(folder)}")
            elif process.exitcode != 0 or not self.finished(training):
                # Not the fault of the training: bad input, or killed from outside.
                self.broken[name] = f"{worker.why(folder)} (status {process.exitcode})"
                tqdm.write(f"{name} broke off: {self.broken[name]}")
            elif training.trial:
                top1 = worker.read_log(folder)[-1].top1
                tqdm.write(f"{name}: {top1:.2f} % of held-out images")

    def _show(self, bar: tqdm) -> None:
        running = []
        for name, (training, _) in self._active.items():
            done = len(worker.read_log(training.folder(self.places)))
            running.append(f"{name} {done}/{training.epochs}")
        bar.set_postfix_str(f"{', '.join(running)}; about {clock(self.left())} left")
