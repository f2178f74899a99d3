"""Integers of one layer, and how they are packed into the engine's memories."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pa_hdl.config import EngineConfig

__all__ = [
    "LayerParameters",
    "blank_column",
    "coefficients",
    "pack",
    "pack_rows",
    "phi_index",
    "threshold_words",
    "unpack",
    "weight_folds",
    "weight_words",
]


def pack(values: list[int], width: int) -> int:
    """One word of equal fields, the first least significant; negative values wrap."""
    mask = (1 << width) - 1
    word = 0
    for index, value in enumerate(values):
        word |= (int(value) & mask) << (index * width)
    return word


def pack_rows(rows: NDArray[Any], width: int) -> list[int]:
    """:func:`pack` of each row of integers, fields of at most 64 bits."""
    bytes_each = -(-width // 8)
    raw = np.ascontiguousarray(rows.astype("<i8" if bytes_each > 1 else "i1"))
    fields = raw.view(np.uint8).reshape(*rows.shape, -1)[..., :bytes_each]
    bits = np.unpackbits(fields, axis=2, count=width, bitorder="little")
    packed = np.packbits(bits.reshape(len(rows), -1), axis=1, bitorder="little")
    text, step = packed.tobytes(), packed.shape[1]
    return [int.from_bytes(text[at : at + step], "little") for at in range(0, len(text), step)]


def unpack(word: int, width: int, count: int, *, signed: bool = False) -> list[int]:
    """Fields of a word made by :func:`pack`."""
    half = 1 << (width - 1) if signed and width else 0
    mask = (1 << width) - 1
    return [(((word >> (index * width)) & mask) ^ half) - half for index in range(count)]


def phi_index(config: EngineConfig, i: int, j: int) -> int:
    """Position of ``phi[i][j]``, ``i`` in 1..m and ``j`` in 1..n, in the order of the load."""
    return (i - 1) * config.n + (j - 1)


def coefficients(phi: NDArray[np.int64], base: str) -> NDArray[np.int64]:
    """Factors of the ``m x n`` lanes: phi itself, or its differences for thermometer bases.

    The differences are those of the *rounded* table, so that both bases give the same sum.
    """
    table = np.asarray(phi, dtype=np.int64)
    return table[1:, 1:] if base == "onehot" else np.diff(table, axis=1)[1:]


@dataclass(frozen=True, kw_only=True)
class LayerParameters:
    """Weight codes, merged coefficients and comparators of one layer.

    Parameters
    ----------
    codes : (O, C, kh, kw)
        Weight codes ``0..m``.
    phi : (m + 1, n + 1)
        Merged coefficients.
    thresholds : (C, n)
        Comparators of each input channel, ascending, or descending where flipped.
    flip : (C,)
        Channels whose comparators ask ``<=`` instead of ``>=``.

    Raises
    ------
    TypeError, ValueError
        If an array does not hold integers, or shapes contradict each other.
    """

    codes: NDArray[np.int64]
    phi: NDArray[np.int64]
    thresholds: NDArray[np.int64]
    flip: NDArray[np.bool_]

    def __post_init__(self) -> None:
        for name, rank in (("codes", 4), ("phi", 2), ("thresholds", 2), ("flip", 1)):
            array = np.asarray(getattr(self, name))
            if array.dtype.kind not in "iub":
                raise TypeError(f"{name} must hold integers, not {array.dtype}")
            if array.ndim != rank:
                raise ValueError(f"{name} must have {rank} dimensions, not shape {array.shape}")
            object.__setattr__(self, name, array.astype(bool if name == "flip" else np.int64))
        channels = self.codes.shape[1]
        for name in ("thresholds", "flip"):
            if getattr(self, name).shape[0] != channels:
                raise ValueError(
                    f"{name} must be given for {channels} channels, "
                    f"not {getattr(self, name).shape[0]}"
                )
        if self.thresholds.shape[1] != self.phi.shape[1] - 1:
            raise ValueError(
                f"thresholds must number {self.phi.shape[1] - 1} a channel, "
                f"not {self.thresholds.shape[1]}"
            )

    @classmethod
    def from_node(cls, node: Any) -> "LayerParameters":
        """Parameters of a ``pa_conv`` node of a ``.pa`` artifact."""
        return cls(**{name: node.tensors[name] for name in ("codes", "phi", "thresholds", "flip")})

    @classmethod
    def seeded(cls, config: EngineConfig, seed: int) -> "LayerParameters":
        """Random parameters that look trained: phi near a product, thresholds spread and ordered.

        Some channels are flipped; some thresholds are equal or out of reach.
        """
        random = np.random.default_rng(seed)
        shape = (config.out_channels, config.in_channels, *config.kernel)
        codes = random.integers(0, config.m + 1, shape)
        alpha = np.sort(random.uniform(-1, 1, config.m))
        beta = np.sort(random.uniform(0, 1, config.n))
        product = np.outer(alpha, beta)
        phi = np.zeros((config.m + 1, config.n + 1), dtype=np.int64)
        phi[1:, 1:] = np.rint(product / np.abs(product).max() * config.phi_limit)
        low, high = config.act_range
        thresholds = np.sort(random.integers(low, high + 2, (config.in_channels, config.n)), axis=1)
        flip = random.random(config.in_channels) < 0.25
        thresholds[flip] = thresholds[flip, ::-1] - 1
        return cls(codes=codes, phi=phi, thresholds=thresholds, flip=flip)

    def acc_range(self) -> tuple[int, int]:
        """Exact bound of every accumulator, while any tap may be masked."""
        lowest = np.minimum(self.phi.min(axis=1), 0)[self.codes].sum(axis=(1, 2, 3))
        highest = np.maximum(self.phi.max(axis=1), 0)[self.codes].sum(axis=(1, 2, 3))
        return int(lowest.min()), int(highest.max())

    def check(self, config: EngineConfig) -> None:
        """Refuse parameters that the engine of `config` cannot hold.

        Raises
        ------
        ValueError
            Naming the array and what is allowed.
        """
        expected = {
            "codes": (config.out_channels, config.in_channels, *config.kernel),
            "phi": (config.m + 1, config.n + 1),
            "thresholds": (config.in_channels, config.n),
            "flip": (config.in_channels,),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must have shape {shape}, not {getattr(self, name).shape}")
        _within("codes", self.codes, 0, config.m)
        _within("phi", self.phi, -config.phi_limit, config.phi_limit)
        first = self.phi[:, 0][self.phi[:, 0] != 0]
        if first.size and not config.mask_code:
            raise ValueError(
                f"mask_code must be set where column 0 of phi is not 0 but {int(first[0])}"
            )
        low, high = config.act_range
        offset = self.flip[:, None].astype(np.int64)
        _within("thresholds", self.thresholds + offset, low, high + 1)
        ordered = np.where(self.flip[:, None], ~self.thresholds, self.thresholds)
        if (np.diff(ordered, axis=1) < 0).any():
            raise ValueError("thresholds must ascend, and descend where flip is set")
        lowest, highest = self.acc_range()
        if lowest < config.acc_range[0] or highest > config.acc_range[1]:
            raise ValueError(
                f"acc_min and acc_max must include {lowest} to {highest}, not {config.acc_range}"
            )


def _within(name: str, array: NDArray[np.int64], lowest: int, highest: int) -> None:
    outside = array[(array < lowest) | (array > highest)]
    if outside.size:
        raise ValueError(f"{name} must be {lowest} to {highest}, not {int(outside[0])}")


def blank_column(config: EngineConfig, phi: NDArray[np.int64]) -> NDArray[np.int64]:
    """Products of every activation code: phi, and zeros for the code of masked elements."""
    return np.pad(phi, ((0, 0), (0, int(config.mask_code))))


def weight_folds(config: EngineConfig, parameters: LayerParameters) -> NDArray[np.int64]:
    """Weight codes (folds, PE, SIMD), folds in address order: output fold, ky, kx, input fold.

    Surplus PEs and lanes have code 0.
    """
    kh, kw = config.kernel
    padded = np.zeros(
        (config.out_folds * config.pe, config.in_folds * config.simd, kh, kw), dtype=np.int64
    )
    padded[: config.out_channels, : config.in_channels] = parameters.codes
    folds = padded.reshape(config.out_folds, config.pe, config.in_folds, config.simd, kh, kw)
    ordered = folds.transpose(0, 4, 5, 2, 1, 3)
    return ordered.reshape(config.folds_per_pixel, config.pe, config.simd)


def weight_words(config: EngineConfig, parameters: LayerParameters) -> list[int]:
    """Words of a weight memory of plain codes, in address order.

    Each holds the codes of one fold, PE by PE, the SIMD lanes of a PE side by side.
    """
    rows = weight_folds(config, parameters).reshape(config.folds_per_pixel, -1)
    return pack_rows(rows, config.weight_code_bits)


def threshold_words(config: EngineConfig, parameters: LayerParameters) -> list[int]:
    """Words of the threshold memory, one an input fold.

    Each holds, lane by lane, ``n`` thresholds and above them the flip bit. Surplus lanes are all
    zero: the comparators mask them.
    """
    width = config.threshold_bits
    lane_bits = config.n * width + 1
    lanes = [0] * (config.in_folds * config.simd)
    for channel, row in enumerate(parameters.thresholds.tolist()):
        lanes[channel] = pack(row, width) | int(parameters.flip[channel]) << (lane_bits - 1)
    return [
        pack(lanes[start : start + config.simd], lane_bits)
        for start in range(0, len(lanes), config.simd)
    ]
