"""Tables 2, 7 and 8 as "Towards Lossless Binary Convolutional Neural Networks Using Piecewise
Approximation" (Zhu, Al-Ars, Pan) prints them."""

from dataclasses import dataclass

__all__ = ["TABLE_2", "TABLE_2_RATIO", "TABLE_7", "TABLE_8", "Cost"]

TABLE_2 = {
    "XNOR": {"delay_ps": 10.87, "area_nm2": 2.90e3, "power_nw": 1.23e3},
    "AND": {"delay_ps": 9.62, "area_nm2": 1.45e3, "power_nw": 6.24e2},
}
"""Figures of a two-input gate."""

TABLE_2_RATIO = 2.0
"""Area and power of a binary convolution of -1 and +1, in those of one of 0 and +1 (below it)."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """A row of Table 7: Mbit, operations for an image, and both against full precision."""

    memory_mbit: float
    flops: float
    saving: float | None = None
    speedup: float | None = None


TABLE_7 = {
    "ResNet18": {
        "Bi-Real": Cost(memory_mbit=33.6, saving=11.14, flops=1.67e8, speedup=10.86),
        "ABC": Cost(memory_mbit=77.1, saving=4.85, flops=6.74e8, speedup=2.70),
        "PA": Cost(memory_mbit=61.6, saving=6.08, flops=6.74e8, speedup=2.70),
        "": Cost(memory_mbit=374.1, flops=1.81e9),
    },
    "ResNet34": {
        "Bi-Real": Cost(memory_mbit=43.7, saving=15.97, flops=1.81e8, speedup=18.99),
        "ABC": Cost(memory_mbit=106.3, saving=6.56, flops=1.27e9, speedup=2.88),
        "PA": Cost(memory_mbit=85.0, saving=8.20, flops=1.27e9, speedup=2.88),
        "": Cost(memory_mbit=697.3, flops=3.66e9),
    },
    "ResNet50": {
        "Bi-Real": Cost(memory_mbit=176.8, saving=4.62, flops=5.45e8, speedup=7.08),
        "ABC": Cost(memory_mbit=201.6, saving=4.06, flops=1.44e9, speedup=2.68),
        "PA": Cost(memory_mbit=161.3, saving=5.07, flops=1.44e9, speedup=2.68),
        "": Cost(memory_mbit=817.8, flops=3.86e9),
    },
}
"""By network and scheme, the empty one full precision."""

TABLE_8 = {
    "Bi-Real Net": {"T_XNOR": (1, 0), "T_pop": (1, 0), "T_mul": (0, 1)},
    "PA-Net": {"T_AND": (1, 0), "T_pop": (1, 0), "T_mul": (0, 5), "T_add": (0, 4), "T_com": (0, 1)},
    "Full precision": {"T_mul": (1, 0), "T_add": (1, -1)},
}
"""Operations one after the other, as ``(a, b)`` of ``a * c_in h w + b``."""
