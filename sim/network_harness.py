"""What the harness of a whole accelerator is given, and what it says: ``harness.v`` seen from here.

The harness streams frames through a top module with AXI4-Stream ports and compares every element,
all inside the simulator. Its memories have room for more images than a run may have, so that one
model serves any number of them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pa_hdl.axi import byte_padded

__all__ = ["HARNESS", "Findings", "Frame", "Port", "Stimulus", "harness", "memory_text"]

HARNESS = "harness"
"""Its module; the only port is the clock."""

_SOURCE = Path(__file__).with_name("harness.v")
_LEAST_WORDS = 1 << 16
_LENGTHS = 64
_FRAME = re.compile(r"frame (\d+): in (\d+) (\d+) out (\d+)")


@dataclass(frozen=True, kw_only=True)
class Port:
    """One end of an accelerator, in the words of its metadata."""

    channels: int
    height: int
    width: int
    lanes: int
    bits: int
    signed: bool
    beats: int

    @classmethod
    def from_metadata(cls, facts: Mapping[str, Any]) -> "Port":
        """Of ``input`` or ``output``."""
        return cls(**{name: facts[name] for name in cls.__dataclass_fields__})

    @property
    def elements(self) -> int:
        """Of one frame."""
        return self.channels * self.height * self.width

    @property
    def beat_bits(self) -> int:
        """Width of TDATA."""
        return byte_padded(self.lanes * self.bits)

    def words(self, images: int) -> int:
        """Words of the memory for so many images: a power of two that has room for many more."""
        return max(_LEAST_WORDS, 1 << (images * self.beats - 1).bit_length())


@dataclass(frozen=True, kw_only=True)
class Stimulus:
    """How one run goes.

    Parameters
    ----------
    frames : :class:`int`
        Sent and expected; the images that are stored repeat.
    stored : :class:`int`
        Images in the memories.
    patience : :class:`int`
        Cycles without any transfer that mean that nothing will come any more.
    seed : :class:`int`
        Of the stalls.
    in_density, out_density : :class:`int`
        Stalls at the input and at the output, in 256ths of the cycles of a lively phase.
    lengths : sequence of :class:`int`
        Beats of the first frames, where these may end early or late. What comes out for a frame of
        a wrong length is counted, not compared.
    """

    frames: int
    stored: int
    patience: int
    seed: int = 1
    in_density: int = 0
    out_density: int = 0
    lengths: Sequence[int] = ()

    def __post_init__(self) -> None:
        if self.frames < 1 or self.stored < 1:
            raise ValueError(f"frames must be at least 1, not {min(self.frames, self.stored)!r}")
        if len(self.lengths) > _LENGTHS:
            raise ValueError(f"lengths must be of {_LENGTHS} frames at most, not {self.lengths!r}")

    def plusargs(self) -> list[str]:
        """For the command line of the simulation."""
        names = ("frames", "stored", "patience", "seed", "in_density", "out_density")
        values = [f"+{name}={getattr(self, name)}" for name in names]
        return [*values, f"+odd_frames={len(self.lengths)}"]

    def memories(
        self, source: Port, sink: Port, images: NDArray[np.int64], expected: NDArray[np.int64]
    ) -> dict[str, str]:
        """Text of the files that the harness reads, by name.

        Parameters
        ----------
        images, expected : arrays (stored, channels, height, width)
        """
        texts = {
            "images.mem": memory_text(images, source),
            "expected.mem": memory_text(expected, sink),
        }
        if self.lengths:
            texts["lengths.mem"] = "".join(f"{length:x}\n" for length in self.lengths)
        return texts


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Cycles in which a frame's first and last beat went in, and its last one came out."""

    first: int
    last: int
    out: int


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the harness said.

    Parameters
    ----------
    frames : tuple of :class:`Frame`
        Those that came out.
    counts : mapping of :class:`str` to :class:`int`
        Of the summary; empty if there was none.
    remarks : tuple of :class:`str`
        The first mismatches, and the reason of a hang.
    """

    frames: tuple[Frame, ...]
    counts: Mapping[str, int]
    remarks: tuple[str, ...]

    @classmethod
    def parse(cls, lines: Sequence[str]) -> "Findings":
        """From its output; other lines are skipped."""
        frames = [
            Frame(first=int(found[2]), last=int(found[3]), out=int(found[4]))
            for found in map(_FRAME.match, lines)
            if found
        ]
        counts: dict[str, int] = {}
        for line in lines:
            if line.startswith("summary: "):
                counts = {
                    name: int(value) for name, value in (w.split("=") for w in line.split()[1:])
                }
        remarks = tuple(line for line in lines if line.startswith(("mismatch: ", "hang: ")))
        return cls(frames=tuple(frames), counts=counts, remarks=remarks)

    @property
    def latency(self) -> int:
        """Cycles from the first frame's first beat in to its last beat out."""
        return self.frames[0].out - self.frames[0].first

    @property
    def cycles_per_image(self) -> float:
        """From the second frame's end to the last's; the latency where there are fewer than 3."""
        if len(self.frames) < 3:
            return self.latency
        return (self.frames[-1].out - self.frames[1].out) / (len(self.frames) - 2)

    def problems(self, stimulus: Stimulus, source: Port, sink: Port) -> list[str]:
        """A line for each thing that is not as it must be."""
        if not self.counts:
            return [*self.remarks, "the simulation ended without a summary"]
        faulty = [
            f"{name.replace('_', ' ')}: {self.counts[name]}"
            for name in ("mismatches", "last_errors", "flag_errors", "unstable", "surplus", "hung")
            if self.counts[name]
        ]
        good = stimulus.frames - sum(length != source.beats for length in stimulus.lengths)
        wanted = {"frames": stimulus.frames, "compared": good * sink.elements}
        missing = [
            f"{name}: {self.counts[name]}, not {count}"
            for name, count in wanted.items()
            if self.counts[name] != count
        ]
        return [*self.remarks, *faulty, *missing]


def harness(top: str, source: Port, sink: Port, *, images: int) -> str:
    """The harness around a module called ``top``, with room for so many images or more."""
    macros = {
        "TOP": top,
        "IN_WIDTH": source.beat_bits,
        "OUT_WIDTH": sink.beat_bits,
        "IMAGE_WORDS": source.words(images),
        "EXPECTED_WORDS": sink.words(images),
        "IN_BEATS": source.beats,
        "OUT_BEATS": sink.beats,
        "LANES": sink.lanes,
        "ELEMENT_BITS": sink.bits,
    }
    head = "".join(f"`define {name} {value}\n" for name, value in macros.items())
    return head + _SOURCE.read_text()


def memory_text(values: NDArray[np.int64], port: Port) -> str:
    """Beats of frames as a memory file: raster order, channels innermost, lane 0 lowest.

    Raises
    ------
    ValueError
        If the frames do not have the shape of the port, or a value its format.
    """
    shape = (port.channels, port.height, port.width)
    if values.ndim != 4 or values.shape[1:] != shape:
        raise ValueError(f"frames must have shape {shape}, not {values.shape[1:]}")
    low, high = (
        (-(1 << (port.bits - 1)), (1 << (port.bits - 1)) - 1)
        if port.signed
        else (0, (1 << port.bits) - 1)
    )
    if values.size and not low <= values.min() <= values.max() <= high:
        raise ValueError(f"values must be {low} to {high}, not {values.min()} to {values.max()}")
    lanes = np.ascontiguousarray(values.transpose(0, 2, 3, 1)).reshape(-1, port.lanes)
    bits = (lanes[:, :, None] >> np.arange(port.bits)) & 1
    packed = np.packbits(bits.astype(np.uint8).reshape(len(lanes), -1), axis=1, bitorder="little")
    return "".join(f"{row[::-1].tobytes().hex()}\n" for row in packed)
