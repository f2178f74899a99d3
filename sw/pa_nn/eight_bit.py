"""Signed 8-bit weights of the layers that stay in full precision, in exact rationals."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pa_nn.integers import Affine, finite_floats

__all__ = ["EightBit", "InputFormat", "quantise_weights_8bit"]


@dataclass(frozen=True)
class InputFormat:
    """Real value of each input channel's integers: ``factor_c * (p - zero_c)``, exact."""

    factor: tuple[Fraction, ...]
    zero: tuple[Fraction, ...]

    @classmethod
    def of_pixels(cls, mean: Sequence[float], std: Sequence[float]) -> "InputFormat":
        """Pixels 0..255 normalised as ``(p / 255 - mean) / std``.

        Raises :class:`ValueError` for a standard deviation that is not positive and a mean whose
        zero point does not fit 16 bits.
        """
        means, stds = finite_floats("mean", mean), finite_floats("std", std)
        for value in stds:
            if value <= 0:
                raise ValueError(f"std must be above 0, not {value}")
        for value in means:
            if abs(255 * value) > 32767:
                raise ValueError(f"mean must be within ±128 (of p / 255), not {value}")
        return cls(
            tuple(1 / (255 * Fraction(value)) for value in stds),
            tuple(255 * Fraction(value) for value in means),
        )


@dataclass(frozen=True, eq=False)
class EightBit:
    """8-bit weights of one layer: ``acc = sum weight * (x - zero)``.

    Members
    -------
    weight : int8, like the float weights
    zero : int16 ``(C,)``
    values : real value of each output channel's accumulator, inside the image
    """

    weight: np.ndarray
    zero: np.ndarray
    values: Affine


def quantise_weights_8bit(
    weight: np.ndarray, bias: Sequence[float], inputs: InputFormat
) -> EightBit:
    """Signed 8-bit weights of one scale an output channel, the inputs' factors folded in.

    Parameters
    ----------
    weight : float ``(O, C / groups, ...)``
    bias : O floats
    inputs : real values of the C input channels

    Raises :class:`ValueError` for weights that are not finite.
    """
    floats = np.asarray(weight, np.float64)
    if not np.isfinite(floats).all():
        finite_floats("Weights", floats.ravel())
    members = len(floats) * floats.shape[1] // len(inputs.factor)
    zero = [round(z) for z in inputs.zero]
    # What the zero points lost by rounding; nothing in most layers.
    lost = {c: zero[c] - exact for c, exact in enumerate(inputs.zero) if zero[c] != exact}
    levels = {factor: level for level, factor in enumerate(dict.fromkeys(inputs.factor))}
    factors = list(levels)
    level = np.array([levels[factor] for factor in inputs.factor])
    integers = np.zeros(floats.shape, np.int8)
    slope, offset = [], []
    for o, row in enumerate(floats):
        # The input channels of this output channel's group.
        first = o // members * len(row)
        own = level[first : first + len(row)]
        integers[o], scale = _quantise_row(row, factors, own)
        step = Fraction(float(scale))
        taps = integers[o].reshape(len(row), -1).astype(np.int64).sum(axis=1).tolist()
        moved = (taps[c - first] * lost[c] for c in lost if first <= c < first + len(row))
        slope.append(step)
        offset.append(step * sum(moved, Fraction(0)) + Fraction(float(bias[o])))
    return EightBit(integers, np.array(zero, np.int16), Affine(tuple(slope), tuple(offset)))


def _quantise_row(
    row: np.ndarray, factors: Sequence[Fraction], level: np.ndarray
) -> tuple[np.ndarray, Fraction]:
    """One output channel: ``round(w * factor_c / s)`` exactly, ``s`` the largest over 127.

    ``factor_c`` is ``factors[level[c]]``.  Products in float64 decide wherever they are clearly not
    half-way.
    """
    magnitude = np.abs(row).reshape(len(row), -1).max(axis=1)
    scale = max(
        abs(factors[each]) * Fraction(float(magnitude[level == each].max()))
        for each in np.unique(level).tolist()
    ) / Fraction(127)
    if scale == 0:
        return np.zeros(row.shape, np.int8), scale
    columns = np.array([float(factor) for factor in factors])[level]
    folded = row * columns.reshape(-1, *[1] * (row.ndim - 1))
    quotient = folded / float(scale) if float(scale) else np.zeros_like(folded)
    rounded = np.rint(quotient)
    unsure = ~(np.abs(np.abs(quotient - np.floor(quotient)) - 0.5) > 1e-9)
    if float(scale) < 1e-290:
        unsure[:] = True
    for index in np.argwhere(unsure):
        position = tuple(int(i) for i in index)
        rounded[position] = round(
            Fraction(float(row[position])) * factors[level[position[0]]] / scale
        )
    return rounded.astype(np.int8), scale
