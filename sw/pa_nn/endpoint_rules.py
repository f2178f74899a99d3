"""Where the weights' endpoints stand, in standard deviations (section 3.1 of the paper).

The paper prints those for M = 8 alone (Table 1), "almost uniformly sampled" within two standard
deviations "except those near zero"; :func:`pa_nn.weights.endpoint_multiples` is the default here.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch

from pa_nn.levels import fit_levels
from pa_nn.weights import check_multiples, check_pieces, flat_float64, gaussian_multiples

__all__ = ["RULES", "endpoint_rule", "fitted_multiples", "uniform_multiples"]

RULES = ("gaussian", "uniform", "fitted")


def uniform_multiples(m: int) -> tuple[float, ...]:
    """Evenly spaced up to two deviations, with half a step around zero: Table 1 for any M.

    >>> uniform_multiples(8)
    (-1.5, -1.0, -0.5, -0.25, 0.25, 0.5, 1.0, 1.5)
    >>> uniform_multiples(4)
    (-1.0, -0.5, 0.5, 1.0)
    """
    step = 4 / check_pieces(m)
    upper = [step / 2, *(step * k for k in range(1, m // 2))]
    return (*(-c for c in reversed(upper)), *upper)


def fitted_multiples(weight: torch.Tensor, m: int) -> tuple[float, ...] | None:
    """Middles between the levels of least squared error for these weights, level 0 fixed.

    None where two of them fall together, as with fewer different weights than levels.
    """
    check_pieces(m)
    values = flat_float64(weight)
    mean, std = float(values.mean()), float(values.std(correction=0))
    alpha = fit_levels(values.view(1, -1), m)[0].tolist()
    levels = [*alpha[: m // 2], 0.0, *alpha[m // 2 :]]
    middles = [(low + high) / 2 for low, high in pairwise(levels)]
    if len(set(middles)) < m or std == 0:
        return None
    return tuple((middle - mean) / std for middle in middles)


def endpoint_rule(
    weight: torch.Tensor, m: int, rule: str | Sequence[float] | None
) -> tuple[float, ...] | None:
    """Multiples of the standard deviation for one layer, or None for the default ones.

    Parameters
    ----------
    weight : the layer's weights
    m : int
        Number of non-zero pieces, even.
    rule : str, M floats, or None
        ``"gaussian"``, the Lloyd-Max thresholds of a Gaussian; ``"uniform"``, Table 1 for any M;
        ``"fitted"``, least squared error for these weights; or the multiples themselves.

    Raises
    ------
    TypeError, ValueError
        An unknown rule; multiples that are not M finite ascending numbers.
    """
    if rule is None:
        return None
    if not isinstance(rule, str):
        return check_multiples(m, rule)
    if rule == "gaussian":
        return gaussian_multiples(m)
    if rule == "uniform":
        return uniform_multiples(m)
    if rule == "fitted":
        return fitted_multiples(weight, m)
    raise ValueError(f"Endpoints must be M numbers or one of {', '.join(RULES)}, not {rule!r}")
