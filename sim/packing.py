"""Beats and words of the engine's streams, by plain integer arithmetic.

Written from the documented layouts alone, and apart from the generator's own: a slip in one of the
two shows as a wrong accumulator.
"""

import random
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["bytes_of_beat", "config_words", "frame_bytes", "frame_values", "image_beats"]


def bytes_of_beat(lanes: int, bits: int) -> int:
    """Bytes of a beat: lanes side by side without gaps, only the whole padded."""
    return -(-lanes * bits // 8)


def image_beats(image: NDArray[np.int64], lanes: int) -> Iterator[list[int]]:
    """Beats of an image (height, width, channels): rows, columns, channels innermost.

    The last beat of a pixel is short where ``lanes`` does not divide the channels.
    """
    for row in image.tolist():
        for pixel in row:
            for start in range(0, len(pixel), lanes):
                yield pixel[start : start + lanes]


def frame_bytes(
    beats: Iterable[Sequence[int]], *, lanes: int, bits: int, rng: random.Random
) -> bytes:
    """Bytes that carry beats, lane 0 least significant.

    Lanes that a short beat lacks, and the bits that pad a beat to bytes, are filled at random:
    whoever receives them must not look.
    """
    size = bytes_of_beat(lanes, bits)
    mask = (1 << bits) - 1
    data = bytearray()
    for beat in beats:
        used = len(beat) * bits
        word = rng.getrandbits(8 * size) >> used << used
        for lane, value in enumerate(beat):
            word |= (value & mask) << (lane * bits)
        data += word.to_bytes(size, "little")
    return bytes(data)


def frame_values(data: bytes, *, lanes: int, bits: int, channels: int) -> list[list[int]]:
    """Pixels, each a list of ``channels`` two's complement numbers, that bytes carry.

    Raises
    ------
    ValueError
        If the bytes are no whole number of pixels, or idle lanes or padding bits are not 0.
    """
    size = bytes_of_beat(lanes, bits)
    folds = -(-channels // lanes)
    if len(data) % (size * folds):
        raise ValueError(f"{len(data)} bytes are no whole number of pixels of {folds} x {size}")
    half, mask = 1 << (bits - 1), (1 << bits) - 1
    pixels = []
    for start in range(0, len(data), size * folds):
        pixel: list[int] = []
        for fold in range(folds):
            at = start + fold * size
            word = int.from_bytes(data[at : at + size], "little")
            used = min(lanes, channels - fold * lanes)
            if word >> (used * bits):
                raise ValueError(f"byte {at}: idle lanes or padding bits are not 0")
            pixel += [(((word >> (lane * bits)) & mask) ^ half) - half for lane in range(used)]
        pixels.append(pixel)
    return pixels


def config_words(
    codes: NDArray[np.int64],
    phi: NDArray[np.int64],
    thresholds: NDArray[np.int64],
    flip: NDArray[np.bool_],
    *,
    simd: int,
    pe: int,
) -> list[int]:
    """Words of a complete load, each of 32 bits.

    First the weight codes, fold by fold (output fold, ky, kx, input fold), within a fold PE by PE,
    lane by lane, as many whole codes in a word as fit, each fold from a new word on. Then phi, row
    by row without row and column 0. Then for each input channel its flip and its thresholds.
    """
    out_channels, in_channels, kh, kw = codes.shape
    bits = (phi.shape[0] - 1).bit_length()
    per_word = 32 // bits
    words: list[int] = []
    for out_start in range(0, out_channels, pe):
        for ky in range(kh):
            for kx in range(kw):
                for in_start in range(0, in_channels, simd):
                    fold = np.zeros((pe, simd), dtype=np.int64)
                    block = codes[out_start : out_start + pe, in_start : in_start + simd, ky, kx]
                    fold[: block.shape[0], : block.shape[1]] = block
                    lanes = fold.flatten().tolist()
                    for at in range(0, pe * simd, per_word):
                        some = lanes[at : at + per_word]
                        words.append(sum(code << (k * bits) for k, code in enumerate(some)))
    words += phi[1:, 1:].flatten().tolist()
    for inverted, row in zip(flip.tolist(), thresholds.tolist(), strict=True):
        words += [int(inverted), *row]
    return [word & 0xFFFFFFFF for word in words]
