"""From float parameters to integers: every rounding of the export, in exact rationals.

Parameters enter as float64 (float32 ones are exact there) and stay :class:`fractions.Fraction`
until the one place where each integer is made, half to even, so that no platform can disagree.  The
rules are the integer contract: codes and phi (Eq. 19), batch normalisation folded into comparators,
rescales.  :mod:`pa_nn.eight_bit` has the 8-bit layers.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

__all__ = [
    "Affine",
    "batch_norm",
    "finite_floats",
    "fold_thresholds",
    "phi_table",
    "rescale",
]

MAX_SHIFT = 31


def finite_floats(what: str, values: Iterable[float]) -> list[float]:
    """``values`` as floats; raises :class:`ValueError` naming ``what`` for NaN and infinity."""
    floats = [float(value) for value in values]
    for value in floats:
        if not math.isfinite(value):
            raise ValueError(f"{what} must be finite, not {value}")
    return floats


@dataclass(frozen=True)
class Affine:
    """Exact real values of integers, channel by channel: ``real = slope * integer + offset``."""

    slope: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]

    @classmethod
    def of(cls, scale: float | Sequence[float], bias: Sequence[float]) -> "Affine":
        """One scale, or one a channel, and one bias a channel."""
        scales = [scale] * len(bias) if isinstance(scale, int | float) else list(scale)
        return cls(tuple(map(Fraction, scales)), tuple(map(Fraction, bias)))

    def then(self, other: "Affine") -> "Affine":
        """This map followed by ``other`` on its result."""
        pairs = list(zip(other.slope, other.offset, strict=True))
        return Affine(
            tuple(a * slope for (a, _), slope in zip(pairs, self.slope, strict=True)),
            tuple(a * offset + b for (a, b), offset in zip(pairs, self.offset, strict=True)),
        )

    def scaled(self, factor: Fraction) -> "Affine":
        """This map with its result multiplied by ``factor``."""
        return Affine(
            tuple(slope * factor for slope in self.slope),
            tuple(offset * factor for offset in self.offset),
        )


def batch_norm(
    gamma: Sequence[float],
    beta: Sequence[float],
    mean: Sequence[float],
    variance: Sequence[float],
    eps: float,
) -> Affine:
    """``gamma * (x - mean) / sigma + beta`` with ``sigma`` the float64 ``sqrt(variance + eps)``.

    Raises :class:`ValueError` where ``variance + eps`` is not positive.
    """
    slope, offset = [], []
    for g, b, mu, var in zip(gamma, beta, mean, variance, strict=True):
        if not var + eps > 0:
            raise ValueError(f"Variance plus eps must be above 0, not {var + eps}")
        ratio = Fraction(g) / Fraction(math.sqrt(var + eps))
        slope.append(ratio)
        offset.append(Fraction(b) - ratio * Fraction(mu))
    return Affine(tuple(slope), tuple(offset))


def phi_table(
    alpha: Sequence[float], beta: Sequence[float], phi_bits: int
) -> tuple[np.ndarray, float]:
    """Integers that merge ``alpha_i * beta_j`` (Eq. 19), and the real value of one unit.

    Parameters
    ----------
    alpha : M levels of the weights
    beta : N levels of the activations
    phi_bits : width in two's complement, 2 to 31; the most negative number is not used

    Returns
    -------
    phi : int32 ``(M + 1, N + 1)``, row and column 0 zero
    scale : float64, 0.0 where every product is 0
    """
    if type(phi_bits) is not int or not 2 <= phi_bits <= 31:
        raise ValueError(f"phi_bits must be from 2 to 31, not {phi_bits!r}")
    rows = [Fraction(a) for a in finite_floats("alpha", alpha)]
    columns = [Fraction(b) for b in finite_floats("beta", beta)]
    phi = np.zeros((len(rows) + 1, len(columns) + 1), np.int32)
    largest = max(map(abs, rows)) * max(map(abs, columns))
    if largest == 0:
        return phi, 0.0
    scale = largest / ((1 << (phi_bits - 1)) - 1)
    for i, a in enumerate(rows, start=1):
        for j, b in enumerate(columns, start=1):
            phi[i, j] = round(a * b / scale)
    return phi, float(scale)


def fold_thresholds(
    endpoints: Sequence[float], values: Affine, ranges: np.ndarray, *, cap: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Integer comparators that give the codes of real values, whatever leads to these.

    Channel ``c`` reaches endpoint ``v_j`` where ``slope_c * x + offset_c >= v_j``, which is
    ``x >= t_j``, or ``x <= t_j`` (a flip) where the slope is negative.

    Parameters
    ----------
    endpoints : ascending ``v_1..v_N``
    values : real value of each channel's integers, C channels
    ranges : int64 ``(C, 2)``, the lowest and highest integer of each channel
    cap : what the real values are clipped at, so that endpoints above it are out of reach

    Returns
    -------
    thresholds : int64 ``(C, N)``, in ``lowest..highest + 1`` (``lowest - 1..highest`` flipped)
    flip : bool ``(C,)``

    Raises
    ------
    ValueError
        Endpoints that do not ascend, or are not finite.
    """
    floats = finite_floats("Endpoints v", endpoints)
    if any(a > b for a, b in itertools.pairwise(floats)):
        raise ValueError(f"Endpoints v must ascend, not {floats}")
    flip = np.array([slope < 0 for slope in values.slope])
    thresholds = np.zeros((len(flip), len(floats)), np.int64)
    folded: dict[tuple[Fraction, Fraction, int, int], list[int]] = {}
    for c, (slope, offset) in enumerate(zip(values.slope, values.offset, strict=True)):
        key = (slope, offset, int(ranges[c, 0]), int(ranges[c, 1]))
        if key not in folded:
            folded[key] = [_fold(v, *key, cap) for v in floats]
        thresholds[c] = folded[key]
    return thresholds, flip


def _fold(
    v: float, slope: Fraction, offset: Fraction, low: int, high: int, cap: float | None
) -> int:
    if cap is not None and v > cap:
        return low - 1 if slope < 0 else high + 1
    if slope == 0:
        return low if offset >= v else high + 1
    exact = (Fraction(v) - offset) / slope
    if slope > 0:
        return min(max(math.ceil(exact), low), high + 1)
    return min(max(math.floor(exact), low - 1), high)


def rescale(values: Affine, unit: float, mult_bits: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Multiplier, bias and shift that bring each channel to integers of ``unit``.

    ``y = (x * mult_c + bias_c + half) >> shift`` with the largest ``shift`` in 0..31 for which
    every multiplier fits ``mult_bits`` (0 if all are 0).

    Returns
    -------
    mult, bias : int64 ``(C,)``
    shift : int

    Raises
    ------
    ValueError
        A unit that is not positive, a multiplier that does not fit even unshifted, or a bias beyond
        62 bits.
    """
    if not (math.isfinite(unit) and unit > 0):
        raise ValueError(f"Scale must be positive and finite, not {unit}")
    if type(mult_bits) is not int or not 2 <= mult_bits <= 32:
        raise ValueError(f"mult_bits must be from 2 to 32, not {mult_bits!r}")
    exact = values.scaled(1 / Fraction(unit))
    limit = (1 << (mult_bits - 1)) - 1
    steepest = max(map(abs, exact.slope))
    fitting = [shift for shift in range(MAX_SHIFT + 1) if round(steepest * (1 << shift)) <= limit]
    if not fitting:
        raise ValueError(
            f"A multiplier of {float(steepest):.6g} does not fit ±{limit}, "
            f"the limit of {mult_bits} bits"
        )
    shift = max(fitting) if round(steepest * (1 << max(fitting))) else 0
    mult = [round(slope * (1 << shift)) for slope in exact.slope]
    bias = [round(offset * (1 << shift)) for offset in exact.offset]
    if (widest := max(map(abs, bias))) >= 1 << 62:
        raise ValueError(f"A bias of {float(widest):.6g} does not fit 62 bits")
    return np.array(mult, np.int64), np.array(bias, np.int64), shift
