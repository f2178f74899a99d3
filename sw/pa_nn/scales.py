"""Which fixed-point values share one scale because they are concatenated."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Scales"]


@dataclass(frozen=True)
class _Scale:
    name: str
    unsigned: bool
    cap: float | None


class Scales:
    """Scales of steps, by the steps' names; joined ones are one.

    A scale has a format: whether its values are unsigned, and what they saturate at (None where
    calibration alone says so).  Only scales of one format can be joined.
    """

    def __init__(self) -> None:
        self._scales: dict[str, _Scale] = {}

    def __contains__(self, step: str) -> bool:
        return step in self._scales

    def open(self, step: str, *, unsigned: bool, cap: float | None) -> None:
        """Give ``step`` a scale of its own."""
        self._scales[step] = _Scale(step, unsigned, cap)

    def name_of(self, step: str) -> str:
        """The name of the scale of ``step``: that of the first step that has it."""
        return self._scales[step].name

    def format_of(self, step: str) -> tuple[bool, float | None]:
        """Whether values are unsigned, and what they saturate at."""
        scale = self._scales[step]
        return scale.unsigned, scale.cap

    def common_format(self, steps: Sequence[str]) -> tuple[bool, float | None]:
        """The format that can hold what all ``steps`` give."""
        formats = {self.format_of(step) for step in steps}
        if len(formats) == 1:
            return formats.pop()
        return all(unsigned for unsigned, _ in formats), None

    def join(self, steps: Sequence[str]) -> None:
        """Make the scales of ``steps`` one, under the name of the oldest."""
        joined = {self._scales[step] for step in steps}
        oldest = next(scale for scale in self._scales.values() if scale in joined)
        for step, scale in self._scales.items():
            if scale in joined:
                self._scales[step] = oldest
