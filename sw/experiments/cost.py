"""How long trainings take, from how long others took."""

from collections.abc import Iterable
from statistics import fmean

from experiments import worker
from experiments.protocol import Places, Training

__all__ = ["Estimate", "clock", "duration"]

# What an image costs in evaluation, where one in training costs 1.
_EVALUATION = 0.35
_DEFAULT = 1e-3  # seconds for an image, before anything was measured


def clock(seconds: float) -> str:
    """Seconds in words.

    >>> clock(8000), clock(59), clock(0)
    ('2 h 13 min', '1 min', '0 min')
    """
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def duration(text: str) -> float:
    """Seconds from ``90m``, ``1.5h``, ``40s`` or minutes alone.

    Raises
    ------
    ValueError
        It is spelled otherwise, or not positive.
    """
    number, unit = (text[:-1], text[-1]) if text[-1:] in ("s", "m", "h") else (text, "m")
    try:
        seconds = float(number) * {"s": 1, "m": 60, "h": 3600}[unit]
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"Time must be a positive number and s, m or h, as in 90m, not {text!r}")
    return seconds


def _units(training: Training) -> float:
    """Cost of an epoch, in images trained on."""
    return training.images + _EVALUATION * training.tested


class Estimate:
    """Seconds an image, measured by the logs of ``trainings`` where they have any."""

    def __init__(self, trainings: Iterable[Training], places: Places) -> None:
        self.places = places
        measured: dict[tuple[str, ...], list[float]] = {}
        for training in trainings:
            for epoch in worker.read_log(training.folder(places)):
                for key in self._keys(training):
                    measured.setdefault(key, []).append(epoch.seconds / _units(training))
        self.means = {key: fmean(values) for key, values in measured.items()}

    @staticmethod
    def _keys(training: Training) -> list[tuple[str, ...]]:
        """From what is most like it to what is least."""
        model, scheme = training.run.protocol.model, training.run.scheme
        return [(model, scheme), (model, scheme.partition(":")[0]), (model,), ()]

    def seconds(self, training: Training) -> float:
        """Seconds of computing that it still needs."""
        known = [self.means[key] for key in self._keys(training) if key in self.means]
        done = len(worker.read_log(training.folder(self.places)))
        return max(0, training.epochs - done) * _units(training) * [*known, _DEFAULT][0]
