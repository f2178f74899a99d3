"""Schemes by name: piecewise approximation and what it is compared with.

    >>> Scheme.parse("pa:4,5")
    Scheme(name='pa', m=4, n=5, weight_bits=None, activation_bits=None)
    >>> str(Scheme(name="lsq", weight_bits=8))
    'lsq:8,full'

A scheme says how the weights and activations of a layer are approximated;
:func:`~pa_nn.schemes.apply_scheme` puts it into any module.
"""

import re
from dataclasses import dataclass
from typing import NoReturn

from pa_nn.activations import MAX_PIECES
from pa_nn.weights import check_pieces

__all__ = ["NAMES", "Scheme"]

NAMES = ("full", "pa", "abc", "bwn", "xnor", "bireal", "dorefa", "lsq", "ternary")
MAX_BASES = 16
MAX_BITS = 8
# Bits of weights and activations of the schemes that leave no choice.
_FIXED = {"bwn": (1, None), "xnor": (1, 1), "bireal": (1, 1)}
_FORMS = "full, pa:M,N, abc:M,N, bwn, xnor, bireal, dorefa:W,A, lsq:W,A, ternary:A"


def _check(what: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} must be an integer, not {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{what} must be from {low} to {high}, not {value!r}")


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """How the layers of a network are approximated.

    Parameters
    ----------
    name : str
        ``full`` (precision), ``pa`` (piecewise approximation), ``abc`` (ABC-Net), ``bwn`` (binary
        weights), ``xnor`` (XNOR-Net), ``bireal`` (Bi-Real Net), ``dorefa`` (DoReFa-Net), ``lsq``
        (learned step sizes) or ``ternary`` (ternary weights).
    m, n : int or None
        ``pa``: non-zero pieces of weights (even) and of activations; ``abc``: bases of both, at
        most 16.  ``n=None`` keeps activations in full precision.
    weight_bits, activation_bits : int or None
        ``dorefa`` and ``lsq``: 1 to 8 bits, at least 2 for the weights of ``lsq``; ``ternary``:
        activation bits alone.  ``activation_bits=None`` keeps activations in full precision.
        Filled in for the schemes that leave no choice.

    Raises
    ------
    TypeError, ValueError
        An unknown name, a value out of range, or one that the scheme does not take.
    """

    name: str
    m: int | None = None
    n: int | None = None
    weight_bits: int | None = None
    activation_bits: int | None = None

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"Scheme must be one of {', '.join(NAMES)}, not {self.name!r}")
        if self.name in _FIXED:
            bits = _FIXED[self.name]
            if (self.weight_bits, self.activation_bits) not in ((None, None), bits):
                self._refuse("weight_bits" if self.weight_bits != bits[0] else "activation_bits")
            object.__setattr__(self, "weight_bits", bits[0])
            object.__setattr__(self, "activation_bits", bits[1])
        takes = {
            "pa": ("m", "n"),
            "abc": ("m", "n"),
            "dorefa": ("weight_bits", "activation_bits"),
            "lsq": ("weight_bits", "activation_bits"),
            "ternary": ("activation_bits",),
            **dict.fromkeys(_FIXED, ("weight_bits", "activation_bits")),
        }.get(self.name, ())
        for field in ("m", "n", "weight_bits", "activation_bits"):
            if field not in takes and getattr(self, field) is not None:
                self._refuse(field)
        if self.name == "pa":
            check_pieces(self.m)  # type: ignore[arg-type]  # it refuses None by itself
            if self.n is not None:
                _check("N", self.n, 1, MAX_PIECES)
        elif self.name == "abc":
            _check("M", self.m, 1, MAX_BASES)
            if self.n is not None:
                _check("N", self.n, 1, MAX_BASES)
        elif self.name in ("dorefa", "lsq"):
            low = 2 if self.name == "lsq" else 1
            _check(f"Weight bits of {self.name}", self.weight_bits, low, MAX_BITS)
        if self.activation_bits is not None:
            _check(f"Activation bits of {self.name}", self.activation_bits, 1, MAX_BITS)

    def _refuse(self, field: str) -> NoReturn:
        value = getattr(self, field)
        raise ValueError(f"Scheme {self.name} takes no {field} {value!r}")

    def __str__(self) -> str:
        if self.name in ("full", *_FIXED):
            return self.name
        if self.name == "ternary":
            sizes = [self.activation_bits]
        elif self.name in ("pa", "abc"):
            sizes = [self.m, self.n]
        else:
            sizes = [self.weight_bits, self.activation_bits]
        return f"{self.name}:{','.join('full' if size is None else str(size) for size in sizes)}"

    @classmethod
    def parse(cls, text: str) -> "Scheme":
        """The scheme that ``str`` spells as ``text``; raises :class:`ValueError` otherwise."""
        name, colon, rest = text.partition(":")
        if name not in NAMES:
            raise ValueError(f"Scheme must be one of {_FORMS}, not {text!r}")
        if name in ("full", *_FIXED):
            fields: tuple[str, ...] = ()
        elif name == "ternary":
            fields = ("activation_bits",)
        else:
            fields = ("m", "n") if name in ("pa", "abc") else ("weight_bits", "activation_bits")
        sizes = rest.split(",") if colon else []
        spelled = all(re.fullmatch(r"full|[1-9][0-9]*", size) for size in sizes)
        if len(sizes) != len(fields) or not spelled or sizes[:-1] == ["full"]:
            raise ValueError(f"Scheme must be spelled as one of {_FORMS}, not {text!r}")
        values = (None if size == "full" else int(size) for size in sizes)
        return cls(name=name, **dict(zip(fields, values, strict=True)))

    def levels(self) -> tuple[int, int] | None:
        """Distinct levels of weights and activations; None where one of them is real.

        These are the sizes of the table ``phi[w][a]`` of a multiply-accumulate in hardware.  The
        bases of ABC-Net are thresholds of one value, so ``M`` of them make ``M + 1`` levels.
        """
        if self.name in ("pa", "abc"):
            return None if self.m is None or self.n is None else (self.m + 1, self.n + 1)
        if self.activation_bits is None:
            return None
        weights = 3 if self.weight_bits is None else 2**self.weight_bits
        return weights, 2**self.activation_bits
