"""How far the runs are: what has ended, what each waits for, what is left.

All of it is read from the folders of the trainings and from the list of results, so that nothing is
lost when a process is killed.
"""

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from experiments import results, worker
from experiments.cost import Estimate
from experiments.protocol import Places, Run, Training

__all__ = ["Progress"]

FAILED = "failed.txt"
_SAME_CHOICE = ("dataset", "model", "scheme", "m", "n", "weight_bits", "activation_bits")


class Progress:
    """The state of ``runs``.

    Parameters
    ----------
    runs : sequence of Run
    places : Places
    file : path
        Results, as :mod:`experiments.results` keeps them.
    precision : str
        As ``pa_nn.train`` takes it.
    """

    def __init__(
        self, runs: Sequence[Run], places: Places, file: Path, *, precision: str = "bfloat16"
    ) -> None:
        self.runs = tuple(runs)
        self.places = places
        self.file = file
        self.precision = precision

    def finished(self, training: Training) -> bool:
        """Whether all its epochs are done."""
        return len(worker.read_log(training.folder(self.places))) >= training.epochs

    def failure(self, training: Training) -> str | None:
        """Why it failed, None where it did not."""
        path = training.folder(self.places) / FAILED
        return path.read_text() if path.exists() else None

    def forget_failures(self) -> None:
        """Let failed trainings begin anew."""
        for training in self._every():
            if self.failure(training) is not None:
                shutil.rmtree(training.folder(self.places))

    def trials(
        self, run: Run, records: Sequence[results.Record]
    ) -> list[tuple[float, float | None]]:
        """Learning rates and held-out accuracies, None for a failed trial, as far as there are.

        The same choice made for another run is taken over, so that it outlives its folders.
        """
        identity = run.identity()
        for record in records:
            rates = tuple(rate for rate, _ in record["trials"] or ())
            if rates == run.protocol.rates and all(record[k] == identity[k] for k in _SAME_CHOICE):
                return [(rate, top1) for rate, top1 in record["trials"]]
        found: list[tuple[float, float | None]] = []
        for trial in run.trials():
            if self.finished(trial):
                found.append((trial.rate, worker.read_log(trial.folder(self.places))[-1].top1))
            elif self.failure(trial) is not None:
                found.append((trial.rate, None))
        return found

    def wanted(self, run: Run, records: Sequence[results.Record]) -> list[Training]:
        """Trainings that a run waits for: its start, its trials, then itself.

        None are wanted where all trials have failed.
        """
        if run.protocol.start is not None:
            origin = run.start_run.training(run.start_run.protocol.rates[0])
            if not self.finished(origin):
                return [origin]
        trials = self.trials(run, records)
        known = [rate for rate, _ in trials]
        pending = [trial for trial in run.trials() if trial.rate not in known]
        if pending:
            return pending
        rates = {rate: top1 for rate, top1 in trials if top1 is not None}
        if trials and not rates:
            return []
        # Of equally good ones the smallest.
        return [run.training(max(rates, key=rates.__getitem__) if rates else run.protocol.rates[0])]

    def record(self, run: Run, records: Sequence[results.Record]) -> results.Record | None:
        """The record of a run that has ended, well or not; None where it has not."""
        trials = self.trials(run, records)
        common = {**run.identity(), "top1": None, "trials": [list(t) for t in trials] or None}
        wanted = self.wanted(run, records)
        if not wanted:
            missing = {"full_precision_top1": None, "lr": None, "seconds": None, "command": None}
            return {**common, **missing, "error": "every trial of a learning rate failed"}
        training = wanted[0]
        if training.trial or training.run != run:
            return None
        error = self.failure(training)
        if error is None and not self.finished(training):
            return None
        log = worker.read_log(training.folder(self.places))
        start = log
        if run.protocol.start is not None:
            start = worker.read_log(run.start_run.start_folder(self.places))
        shown = Places(data={name: Path("DIR") for name in self.places.data})
        argv = training.argv(shown, precision=self.precision)
        common.update(
            full_precision_top1=round(start[-1].top1, 2) if start else None,
            lr=training.rate,
            seconds=round(sum(epoch.seconds for epoch in log), 1),
            command=shlex.join(["python", "-m", "pa_nn.train", *argv]),
        )
        if error is not None:
            return {**common, "error": error}
        return {**common, "top1": round(log[-1].top1, 2)}

    def settle(self) -> list[results.Record]:
        """Record the runs that have ended and are not recorded yet; returns these records."""
        new = []
        for run in self.runs:
            known, identity = results.load(self.file), run.identity()
            if results.find(known["runs"], identity) is not None:
                continue
            record = self.record(run, known["runs"])
            if record is not None and record != results.find(known["failures"], identity):
                results.add(self.file, [record])
                new.append(record)
        return new

    def ready(self) -> list[Training]:
        """Trainings that may start now, in the order of the runs."""
        records = results.load(self.file)["runs"]
        found: dict[str, Training] = {}
        for run in self.runs:
            if results.find(records, run.identity()) is None:
                for training in self.wanted(run, records):
                    if not self.finished(training) and self.failure(training) is None:
                        found.setdefault(training.name, training)
        return list(found.values())

    def remaining(self) -> list[Training]:
        """All that is still to do, as far as it can be told, each training once."""
        records = results.load(self.file)["runs"]
        left: dict[str, Training] = {training.name: training for training in self.ready()}
        for run in self.runs:
            if results.find(records, run.identity()) is None and self.wanted(run, records):
                known = [rate for rate, _ in self.trials(run, records)]
                trials = [trial for trial in run.trials() if trial.rate not in known]
                for training in (*trials, run.training(run.protocol.rates[0])):
                    if not self.finished(training) and self.failure(training) is None:
                        left.setdefault(training.name, training)
        return list(left.values())

    def seconds_left(self) -> float:
        """Estimated seconds of computing until all is done, one training at a time."""
        estimate = Estimate(self._every(), self.places)
        return sum(estimate.seconds(training) for training in self.remaining())

    def _every(self) -> list[Training]:
        """Every training, once."""
        every = (
            t for run in self.runs for t in (*run.trials(), run.training(run.protocol.rates[0]))
        )
        return list({training.name: training for training in every}.values())
