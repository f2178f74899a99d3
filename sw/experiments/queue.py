"""The queue: trains what is missing, several at once, within a budget of time.

A queue that is killed loses the epochs in progress; started again, or started twice at the same
time, it goes on from the last complete ones.
"""

import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

from tqdm import tqdm

from experiments import results, worker
from experiments.cost import clock
from experiments.progress import FAILED, Progress
from experiments.protocol import Training
from pa_artifact.whole import write_whole
from pa_nn.train import main as train

__all__ = ["Queue"]

# How a training begins to say that it failed; anything else is a mistake, not a result.
SAID = "pa_nn.train: "
POLL = 1.0  # seconds
PAUSE = 20.0  # seconds until a training that another queue works on is looked at again


class Queue:
    """Trains what ``progress`` says is ready, and has it recorded.

    Parameters
    ----------
    progress : Progress
    budget : float
        Seconds after which trainings are broken off.
    jobs, threads : int
        Trainings at once, and threads of each.
    main : callable
        Trains as :func:`pa_nn.train.main` does.
    recorded : callable
        Called when runs have been recorded.

    Attributes
    ----------
    broken : dict
        What trainings said that did not end by themselves (bad input, a signal), by name.
        They are not tried again by this queue, but by the next.
    """

    def __init__(
        self,
        progress: Progress,
        *,
        budget: float,
        jobs: int = 2,
        threads: int = 1,
        main: Callable[[Sequence[str]], int] = train,
        recorded: Callable[[], None] = lambda: None,
    ) -> None:
        self.progress = progress
        self.budget = budget
        self.jobs = jobs
        self.threads = threads
        self.main = main
        self.recorded = recorded
        self.broken: dict[str, str] = {}
        self._active: dict[str, tuple[Training, BaseProcess]] = {}
        self._elsewhere: dict[str, float] = {}

    def run(self) -> None:
        """Work until nothing is left to do or the time is up."""
        deadline = time.monotonic() + self.budget
        seen = None
        with tqdm(unit="epoch", disable=None) as bar:
            try:
                while time.monotonic() < deadline and self._go_on():
                    if (now := self._running()) != seen:
                        seen = now
                        self._show(bar)
                    bar.refresh()
                    wait([p.sentinel for _, p in self._active.values()], timeout=POLL)
                    self._reap()
            finally:
                for _, process in self._active.values():
                    process.terminate()
                for _, process in self._active.values():
                    process.join()
                self._active.clear()
                self._settle()

    def left(self) -> str:
        """Estimated time until all is done, in words."""
        return clock(self.progress.seconds_left() / self.jobs)

    def _go_on(self) -> bool:
        """Record what has ended and start what there is room for; False where nothing is left."""
        self._settle()
        for training in self.progress.ready():
            if len(self._active) == self.jobs:
                break
            name = training.name
            waits = self._elsewhere.get(name, 0) > time.monotonic()
            if name not in self._active and name not in self.broken and not waits:
                folder = training.folder(self.progress.places)
                argv = training.argv(self.progress.places, precision=self.progress.precision)
                argv += ["--threads", str(self.threads)]
                self._active[name] = training, worker.start(folder, argv, main=self.main)
        return bool(self._active) or any(t > time.monotonic() for t in self._elsewhere.values())

    def _settle(self) -> None:
        records = self.progress.settle()
        if records:
            self.recorded()
        for record in records:
            what = record.get("error") or f"{record['top1']:.2f} % at {record['lr']}"
            tqdm.write(f"{results.title(record)}: {what}, about {self.left()} left")

    def _reap(self) -> None:
        ended = [name for name, (_, process) in self._active.items() if not process.is_alive()]
        for name in ended:
            training, process = self._active.pop(name)
            process.join()
            folder = training.folder(self.progress.places)
            if process.exitcode == worker.BUSY:
                self._elsewhere[name] = time.monotonic() + PAUSE
            elif process.exitcode == 1 and worker.why(folder).startswith(SAID):
                message = worker.why(folder).removeprefix(SAID)
                write_whole(folder / FAILED, message.encode())
                tqdm.write(f"{name} failed: {message}")
            elif not self.progress.finished(training):
                self.broken[name] = f"{worker.why(folder)} (status {process.exitcode})"
                tqdm.write(f"{name} broke off: {self.broken[name]}")
            elif training.trial:
                top1 = worker.read_log(folder)[-1].top1
                tqdm.write(f"{name}: {top1:.2f} % of held-out images")

    def _running(self) -> dict[str, tuple[int, int]]:
        """Epochs done and to do of the trainings at work."""
        places = self.progress.places
        return {
            name: (len(worker.read_log(training.folder(places))), training.epochs)
            for name, (training, _) in self._active.items()
        }

    def _show(self, bar: tqdm) -> None:
        left = self.progress.remaining()
        running = self._running()
        text = ", ".join(f"{name} {done}/{of}" for name, (done, of) in running.items())
        todo = sum(training.epochs for training in left) - sum(n for n, _ in running.values())
        bar.total = bar.n + todo if bar.total is None else max(bar.total, todo)
        bar.n = bar.total - todo
        bar.set_postfix_str(f"{text}; about {self.left()} left", refresh=False)
