"""Synthesis targets: the Yosys commands of each and what its mapped cells cost.

A target names the commands that turn Verilog into its cells, and a table of
:class:`CellModel` that says what each cell counts as and which of its input to
output paths a signal passes through within one clock cycle.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

__all__ = ["TARGETS", "Arc", "CellModel", "Target", "Uses", "target_of"]

_GENERIC = Path(__file__).resolve().parent / "generic"


@dataclass(frozen=True, kw_only=True)
class Uses:
    """What a cell, or a whole netlist, takes of a device.

    Parameters
    ----------
    lut, ff, carry, bram, dsp : :class:`int`
        Look-up tables, flip-flops, carry cells, block RAM cells, multiplier cells.
    """

    lut: int = 0
    ff: int = 0
    carry: int = 0
    bram: int = 0
    dsp: int = 0

    def __add__(self, other: Uses) -> Uses:
        return Uses(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(Uses)}
        )

    def times(self, count: int) -> Uses:
        """The same, ``count`` times over."""
        return Uses(**{f.name: getattr(self, f.name) * count for f in fields(Uses)})


@dataclass(frozen=True)
class Arc:
    """Combinational paths of a cell: from each of ``inputs`` to each of ``outputs``.

    ``"A"`` names every bit of port A, ``"A[2]"`` one bit. ``lut`` and ``carry`` are the levels
    that a signal passes on the way.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    lut: int = 0
    carry: int = 0


@dataclass(frozen=True)
class CellModel:
    """Cost and combinational paths of one type of cell.

    Paths start and end in cells without arcs: flip-flops, block RAM, multipliers.
    """

    uses: Uses = Uses()
    arcs: tuple[Arc, ...] = ()


@dataclass(frozen=True)
class Target:
    """One device family.

    Parameters
    ----------
    name, title : :class:`str`
        Key on the command line and in reports; heading in tables.
    synth : :class:`tuple` of :class:`str`
        Yosys commands from elaborated RTL to mapped cells; ``{top}`` is the top module.
    flags : :class:`str`
        The part of ``synth`` worth printing beside a figure.
    cells : :class:`tuple`
        Pairs of a regular expression on the type of a cell and its :class:`CellModel`.
    note : :class:`str`
        What a reader must know about how this target is counted.
    primitives : :class:`str`
        Verilog of the device's cells, for designs that instantiate some of them.
    """

    name: str
    title: str
    synth: tuple[str, ...]
    flags: str
    cells: tuple[tuple[str, CellModel], ...]
    note: str
    primitives: str

    def model_of(self, cell_type: str) -> CellModel:
        """Look a type of cell up.

        Raises
        ------
        :exc:`ValueError`
            If the table has no such cell: a figure would silently miss it.
        """
        return _model_of(self, cell_type)


@functools.cache
def _model_of(target: Target, cell_type: str) -> CellModel:
    for pattern, model in target.cells:
        if re.fullmatch(pattern, cell_type):
            return model
    raise ValueError(f"Target {target.name} has no model of cell type {cell_type!r}")


def _address(name: str, bits: int) -> tuple[str, ...]:
    return tuple(f"{name}{bit}" for bit in range(bits))


def _lut(inputs: Iterable[str], output: str, luts: int = 1) -> CellModel:
    return CellModel(Uses(lut=luts), (Arc(tuple(inputs), (output,), lut=1),))


def _lut6_2() -> CellModel:
    """LUT6_2: one LUT with two outputs, of which O5 does not see I5."""
    inputs = _address("I", 6)
    return CellModel(Uses(lut=1), (Arc(inputs, ("O6",), lut=1), Arc(inputs[:5], ("O5",), lut=1)))


def _mux(inputs: Iterable[str], output: str) -> CellModel:
    """A dedicated multiplexer behind LUTs: no LUT, and no level of its own."""
    return CellModel(Uses(), (Arc(tuple(inputs), (output,)),))


_FF = CellModel(Uses(ff=1))
_BRAM = CellModel(Uses(bram=1))
_DSP = CellModel(Uses(dsp=1))
_NOTHING = CellModel()
_IGNORED = (r"\$scopeinfo|\$(assert|assume|cover|check|print)", _NOTHING)

_GENERIC_CELLS = (
    _IGNORED,
    (r"\$lut", _lut(("A",), "Y")),
    (r"\$_NOT_", _lut(("A",), "Y")),
    (r"\$_(S?DFF|ALDFF|DFFSR|SDFFC)E?_[NP01]+_", _FF),
    ("GENERIC_BRAM", _BRAM),
)


def _carry4() -> CellModel:
    """CARRY4: four bits, where stage ``i`` reaches its own and every later stage."""
    arcs = [Arc(("CI", "CYINIT"), ("O", "CO"), carry=1)]
    for stage in range(4):
        carries = tuple(f"CO[{later}]" for later in range(stage, 4))
        sums = tuple(f"O[{later}]" for later in range(stage, 4))
        arcs.append(Arc((f"S[{stage}]",), (*carries, *sums), carry=1))
        arcs.append(Arc((f"DI[{stage}]",), (*carries, *sums[1:]), carry=1))
    return CellModel(Uses(carry=1), tuple(arcs))


def _lutram(luts: int, *ports: tuple[tuple[str, ...], str]) -> CellModel:
    """LUTs used as memory: an asynchronous read is one level, writes are clocked."""
    return CellModel(Uses(lut=luts), tuple(Arc(address, (data,), lut=1) for address, data in ports))


_QUAD_PORT = tuple(((f"ADDR{port}",), f"DO{port}") for port in "ABCD")

_XC7_CELLS = (
    _IGNORED,
    (r"LUT[1-6]", _lut(_address("I", 6), "O")),
    (r"LUT6_2", _lut6_2()),
    (r"INV", _lut(("I",), "O")),
    (r"MUXF[789]", _mux(("I0", "I1", "S"), "O")),
    (r"CARRY4", _carry4()),
    (r"FD[RSCP]E(_1)?", _FF),
    (r"SRL16E", _lut(_address("A", 4), "Q")),
    (
        r"SRLC32E",
        CellModel(Uses(lut=1), (Arc(("A",), ("Q",), lut=1),)),
    ),
    (r"RAM32X1D|RAM64X1D", _lutram(2, (_address("A", 6), "SPO"), (_address("DPRA", 6), "DPO"))),
    (r"RAM128X1D", _lutram(4, (("A",), "SPO"), (("DPRA",), "DPO"))),
    (r"RAM(32|64)X1S", _lutram(1, (_address("A", 6), "O"))),
    (r"RAM128X1S", _lutram(2, (_address("A", 7), "O"))),
    (r"RAM256X1S", _lutram(4, (("A",), "O"))),
    (r"RAM(32|64)M", _lutram(4, *_QUAD_PORT)),
    (r"RAMB(18|36)E1", _BRAM),
    (r"DSP48E1", _DSP),
    (r"[IO]BUF|BUFG", _mux(("I",), "O")),
)


def _ccu2c() -> CellModel:
    """CCU2C: two bits, each a LUT4 in front of the carry."""
    first, second = ("A0", "B0", "C0", "D0"), ("A1", "B1", "C1", "D1")
    return CellModel(
        Uses(lut=2, carry=1),
        (
            Arc(("CIN",), ("S0", "S1", "COUT"), carry=1),
            Arc(first, ("S0", "S1", "COUT"), lut=1, carry=1),
            Arc(second, ("S1", "COUT"), lut=1, carry=1),
        ),
    )


_ECP5_CELLS = (
    _IGNORED,
    (r"LUT4", _lut("ABCD", "Z")),
    (r"INV", _lut("A", "Z")),
    (r"PFUMX", _mux(("ALUT", "BLUT", "C0"), "Z")),
    (r"L6MUX21", _mux(("D0", "D1", "SD"), "Z")),
    (r"CCU2C", _ccu2c()),
    (r"TRELLIS_FF", _FF),
    (r"TRELLIS_DPR16X4", _lutram(6, (("RAD",), "DO"))),
    (r"(DP16K|PDPW16K)D", _BRAM),
    (r"MULT18X18D|ALU54B", _DSP),
)

_ICE40_CELLS = (
    _IGNORED,
    (r"SB_LUT4", _lut(_address("I", 4), "O")),
    (r"SB_CARRY", CellModel(Uses(carry=1), (Arc(("I0", "I1", "CI"), ("CO",), carry=1),))),
    (r"SB_DFFN?E?(S?[RS])?", _FF),
    (r"SB_RAM40_4K(N[RW]+)?", _BRAM),
    (r"SB_MAC16", _DSP),
)

_XILINX = "synth_xilinx -family xc7 -flatten -nodsp -noiopad -noclkbuf"
_LATTICE = "synth_lattice -family ecp5 -nowidelut -nodsp -no-rw-check"
_ICE40 = "synth_ice40 -no-rw-check"

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(
            "generic",
            "generic 6-LUT",
            (
                f"read_verilog -lib {_GENERIC / 'cells.v'}",
                "synth -top {top} -flatten -lut 6 -run begin:fine",
                f"memory_libmap -lib {_GENERIC / 'brams.txt'}",
                f"techmap -map {_GENERIC / 'brams_map.v'}",
                # opt_dff and opt_clean trip over initial values of merged flip-flops ("Conflicting
                # init values"); what they prove has been used by now.
                "setattr -unset init w:*",
                "synth -top {top} -flatten -lut 6 -run fine:",
            ),
            "synth -flatten -lut 6 (memories to 512 x 72 bit blocks)",
            _GENERIC_CELLS,
            "No carry chain: adders are LUTs. A block RAM is an imagined block of 512 x 72 bits "
            "with one write and one read port; there is no LUT RAM.",
            str(_GENERIC / "cells.v"),
        ),
        Target(
            "xc7",
            "7-series",
            (_XILINX + " -top {top}",),
            _XILINX,
            _XC7_CELLS,
            "A LUT6_2 that the design places is one LUT. Two small functions are never paired into "
            "one, as the vendor's tool does: the LUT count is an upper bound. SRLs and LUT RAM "
            "count the LUTs they occupy; a CARRY4 is four bits; RAMB18E1 and RAMB36E1 count one "
            "each; MUXF7/8 are no level.",
            "+/xilinx/cells_sim.v",
        ),
        Target(
            "ecp5",
            "ECP5",
            (_LATTICE + " -top {top}",),
            _LATTICE,
            _ECP5_CELLS,
            "As nextpnr counts: the two LUT4s of a CCU2C (two carry bits) and the six of a "
            "TRELLIS_DPR16X4 (four memory, two write port) are included. Entering a CCU2C by "
            "another pin than its carry input is one LUT level.",
            "+/lattice/cells_sim_ecp5.v",
        ),
        Target(
            "ice40",
            "iCE40",
            (_ICE40 + " -top {top}",),
            _ICE40,
            _ICE40_CELLS,
            "An SB_CARRY is one bit and shares its logic cell with a LUT.",
            "+/ice40/cells_sim.v",
        ),
    )
}


def target_of(name: str) -> Target:
    """A target of :data:`TARGETS`; with ``-dsp`` behind its name one that may use multipliers.

    Raises
    ------
    ValueError
        If there is no such target, or its flow has no multipliers to give.
    """
    target = TARGETS.get(name.removesuffix("-dsp"))
    if target is None:
        raise ValueError(f"target must be one of {', '.join(TARGETS)}, not {name!r}")
    if not name.endswith("-dsp"):
        return target
    if " -nodsp" not in target.flags:
        raise ValueError(f"target {target.name} has no multipliers to use: {name!r}")
    synth = tuple(command.replace(" -nodsp", "") for command in target.synth)
    flags = target.flags.replace(" -nodsp", "")
    return replace(target, name=name, synth=synth, flags=flags)
