"""What trains best: settings of PA (4, 5), each one factor away from the default.

Every setting is what ``python -m pa_nn.train --scheme pa:4,5`` takes beside the protocol's own
flags; ``docs/training.md`` says what each factor is.
"""

from dataclasses import dataclass

__all__ = ["DEFAULT", "FACTORS", "Factor"]


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One setting.

    Parameters
    ----------
    name : str
        The factor, in the spelling of the command line without dashes; ``"default"`` for none.
    value : str
        What it is set to; empty for ``"default"``.
    argv : strings
        Arguments of :mod:`pa_nn.train` that set it.
    """

    name: str
    value: str
    argv: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}={self.value}" if self.value else self.name


def _factor(name: str, value: str) -> Factor:
    # One word: a value may start with a minus sign.
    return Factor(name=name, value=value, argv=(f"--{name}={value}",))


DEFAULT = Factor(name="default", value="", argv=())

# The default of each is no constant but follows the widths of the pieces (lambdas), or is -1, 0.05,
# the Gaussian's thresholds, the means of the pieces and Lloyd-Max, in this order.
_VALUES = {
    "levels": ("trained", "channel"),
    "eq14-sign": ("1",),
    "lambda-w": ("1", "10"),
    "endpoints": ("uniform", "fitted"),
    "lambda-a": ("0.5", "1", "2", "4"),
    "start": ("quantiles", "uniform"),
    "level-lr": ("0", "0.01", "0.2", "1"),
    "lambda-delta": ("0.1", "1"),
}

# The most telling first, so that a queue that is cut off has them.
FACTORS: tuple[Factor, ...] = (
    DEFAULT,
    *(_factor(name, value) for name, values in _VALUES.items() for value in values),
)
