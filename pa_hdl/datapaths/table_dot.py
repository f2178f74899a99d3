"""Dot products that read phi from a table, ``acc = sum_k phi[w_k][a_k]``.

Each row of phi is shifted by a constant of its own, so that its entries start at 0 and are as
narrow as the row is wide: at 8-bit phi a row of one sign takes 7 bits. What the shifts of a fold
add up to is known when its weights are, and stands beside them in the memory: one more addend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Module, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from pa_hdl.config import EngineConfig, signed_bits, unsigned_bits
from pa_hdl.datapaths.level_codes import LevelCodes, choose_codes, plain_codes
from pa_hdl.datapaths.signature import check_baked, control, dot_signature
from pa_hdl.datapaths.table_sums import TABLE_SUMS
from pa_hdl.emit import add_submodule
from pa_hdl.parameters import LayerParameters, blank_column, weight_folds
from pa_hdl.popcount import add_lookup

__all__ = ["Coding", "GatedDot", "LookupDot", "TableDot", "TablePe", "lookup_table"]


def lookup_table(rows: NDArray[np.int64], code_bits: int) -> tuple[int, ...]:
    """Entries by ``row << code_bits | code``; of codes that do not occur, those of the last."""
    full = 1 << unsigned_bits(len(rows) - 1)
    places = np.minimum(np.arange(full), len(rows) - 1)
    return tuple(_every_code(rows, code_bits)[places].ravel().tolist())


def _every_code(rows: NDArray[np.int64], code_bits: int) -> NDArray[np.int64]:
    """Entries of all activation codes that so many bits spell."""
    return rows[:, np.minimum(np.arange(1 << code_bits), rows.shape[1] - 1)]


@dataclass(frozen=True)
class Coding:
    """How a datapath spells weights, and what it reads for them.

    Parameters
    ----------
    fields : tuple of :class:`int`
        What stands in the memory for each weight code.
    field_bits, row_bits : :class:`int`
        Width of that, and how many of its bits choose a row of the table. With one more bit, the
        activation code is forced to 0 where that bit is 1.
    table : tuple of :class:`int`
        Entries by row and activation code, none negative.
    shifts : tuple of :class:`int`
        What must be added for each weight code.
    """

    fields: tuple[int, ...]
    field_bits: int
    row_bits: int
    table: tuple[int, ...]
    shifts: tuple[int, ...]

    @property
    def gated(self) -> bool:
        """Whether a bit of the field gates the activation."""
        return self.field_bits > self.row_bits

    def correction_range(self, simd: int) -> tuple[int, int]:
        """Lowest and highest correction of a fold."""
        return simd * min(0, *self.shifts), simd * max(0, *self.shifts)


class TablePe(wiring.Component):
    """One output channel of a :class:`TableDot`: hold a fold, look its products up, accumulate.

    One fold per cycle; ``acc`` is complete :meth:`latency` cycles after the fold came in. An
    activation whose weight is 0 is held back by the synchronous reset of its register, which takes
    no LUT.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine.
    coding : :class:`Coding`
        How weights are spelled.

    Members
    -------
    act : SIMD activation codes
    weight : a field for each of them, and the correction
    valid, first : ``latency - 1`` cycles later: accumulate, start from 0
    acc : the accumulator
    """

    def __init__(self, *, config: EngineConfig, coding: Coding) -> None:
        self.config = config
        self.coding = coding
        super().__init__(
            {
                "act": In(data.ArrayLayout(config.code_bits, config.simd)),
                "weight": In(weight_layout(config, coding)),
                "valid": In(1),
                "first": In(1),
                "acc": Out(signed(config.acc_bits)),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config, self.coding)

    @property
    def module_name(self) -> str:
        return "pe"

    @staticmethod
    def latency(config: EngineConfig, row_bits: int) -> int:
        """Cycles from a fold to the accumulator that includes it."""
        kind = TABLE_SUMS[config.target]
        index_bits = row_bits + config.code_bits
        return 1 + kind.latency_of(terms=config.simd, index_bits=index_bits, correction=True)

    def model(self, folds: Sequence[tuple[Sequence[int], Sequence[int]]]) -> int:
        """Accumulator of ``(activation codes, weight codes)`` folds."""
        coding, total = self.coding, 0
        mask = (1 << coding.row_bits) - 1
        for acts, weights in folds:
            for act, weight in zip(acts, weights, strict=True):
                field = coding.fields[weight]
                held = 0 if field >> coding.row_bits else act
                total += coding.table[(field & mask) << self.config.code_bits | held]
                total += coding.shifts[weight]
        return total

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, coding = self.config, self.coding
        total = TABLE_SUMS[config.target](
            tables=(coding.table,) * config.simd,
            acc_bits=config.acc_bits,
            correction=coding.correction_range(config.simd),
        )
        add_submodule(m, platform, "sum", total)
        for lane in range(config.simd):
            row = Signal(coding.row_bits, name=f"row_{lane}", reset_less=True)
            act = Signal(config.code_bits, name=f"act_{lane}", reset_less=True)
            field = self.weight.fields[lane]
            m.d.sync += [row.eq(field), act.eq(self.act[lane])]
            if coding.gated:
                with m.If(field[coding.row_bits]):
                    m.d.sync += act.eq(0)
            m.d.comb += total.index[lane].eq(Cat(act, row))
        correction = Signal.like(self.weight.correction, reset_less=True)
        m.d.sync += correction.eq(self.weight.correction)
        m.d.comb += [
            total.correction.eq(correction),
            total.valid.eq(self.valid),
            total.first.eq(self.first),
            self.acc.eq(total.acc),
        ]
        return m


def weight_layout(config: EngineConfig, coding: Coding) -> data.StructLayout:
    """Word of one PE in the weight memory."""
    correction = signed(signed_bits(*coding.correction_range(config.simd)))
    fields = data.ArrayLayout(unsigned(coding.field_bits), config.simd)
    return data.StructLayout({"fields": fields, "correction": correction})


class TableDot(wiring.Component):
    """``acc = sum_k phi[w_k][a_k]`` by lookups in one table, one fold per cycle.

    ::

        act ────┬▶ pe_0: registers ─▶ tables ─▶ tree ─▶ acc
        weight ─┴▶ pe_1 ...

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine.
    parameters : :class:`~pa_hdl.parameters.LayerParameters`
        The layer whose phi is baked in.

    Members
    -------
    Those of :func:`~pa_hdl.datapaths.signature.dot_signature`.

    Raises
    ------
    ValueError
        If the datapath cannot serve the layer.
    """

    def __init__(self, *, config: EngineConfig, parameters: LayerParameters | None = None) -> None:
        self.check(config, parameters)
        assert parameters is not None
        self.config = config
        self.coding = self.coding_of(config, parameters)
        word = data.ArrayLayout(weight_layout(config, self.coding), config.pe)
        super().__init__(dot_signature(config, word))

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config, self.coding)

    @property
    def module_name(self) -> str:
        return "dot"

    @classmethod
    def row_bits(cls, config: EngineConfig) -> int:
        """Bits of a weight's field that choose a row of the table."""
        raise NotImplementedError

    @classmethod
    def latency(cls, config: EngineConfig) -> int:
        """Cycles from the last fold of an output element to its accumulator."""
        return TablePe.latency(config, cls.row_bits(config))

    @classmethod
    def check(cls, config: EngineConfig, parameters: LayerParameters | None) -> None:
        """Refuse a layer that this datapath cannot serve.

        Raises
        ------
        ValueError
            Naming what is allowed.
        """
        check_baked(config, parameters, "its table is")

    @classmethod
    def coding_of(cls, config: EngineConfig, parameters: LayerParameters) -> Coding:
        """How weights are spelled."""
        raise NotImplementedError

    @classmethod
    def weight_words(cls, config: EngineConfig, parameters: LayerParameters) -> list[int]:
        """Words of the weight memory, in address order."""
        coding = cls.coding_of(config, parameters)
        layout = weight_layout(config, coding)
        places = [layout["fields"].offset + lane * coding.field_bits for lane in range(config.simd)]
        at, bits = layout["correction"].offset, layout["correction"].width
        fields = np.array(coding.fields)
        shifts = np.array(coding.shifts)
        words = []
        for fold in weight_folds(config, parameters).tolist():
            word = 0
            for pe, codes in enumerate(fold):
                own = sum(int(fields[c]) << place for c, place in zip(codes, places, strict=True))
                own |= (int(shifts[codes].sum()) & ((1 << bits) - 1)) << at
                word |= own << (pe * layout.size)
            words.append(word)
        return words

    def encoded(self, m: Module, codes: Value) -> Value:
        """The word of the weight memory for the plain codes of a fold, in logic."""
        config, coding = self.config, self.coding
        code_bits = config.weight_code_bits
        shift_shape = signed(signed_bits(min(0, *coding.shifts), max(0, *coding.shifts)))
        unused = (1 << code_bits) - len(coding.fields)
        fields, shifts = (*coding.fields, *[0] * unused), (*coding.shifts, *[0] * unused)
        words = []
        for pe in range(config.pe):
            word = Signal(weight_layout(config, coding), name=f"word_{pe}")
            total: Value | int = 0
            for lane in range(config.simd):
                at = (pe * config.simd + lane) * code_bits
                code, name = codes[at : at + code_bits], f"code_{pe}_{lane}"
                shape = unsigned(coding.field_bits)
                m.d.comb += word.fields[lane].eq(add_lookup(m, name, code, fields, shape))
                total = total + add_lookup(m, f"{name}_shift", code, shifts, shift_shape)
            m.d.comb += word.correction.eq(total)
            words.append(word.as_value())
        return Cat(*words)

    def model(self, folds: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[int]:
        """Accumulator of each PE after ``(activation codes, weight codes)`` folds."""
        pe, simd = TablePe(config=self.config, coding=self.coding), self.config.simd
        return [
            pe.model([(acts, codes[at : at + simd]) for acts, codes in folds])
            for at in range(0, self.config.pe * simd, simd)
        ]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        valid, first = control(m, self, self.latency(self.config))

        def add_pe(index: int) -> None:
            pe = TablePe(config=self.config, coding=self.coding)
            add_submodule(m, platform, f"pe_{index}", pe)
            m.d.comb += [
                pe.act.eq(self.act),
                pe.weight.eq(self.weight[index]),
                pe.valid.eq(valid),
                pe.first.eq(first),
                self.acc[index].eq(pe.acc),
            ]

        for index in range(self.config.pe):
            add_pe(index)
        return m


def _spelled(config: EngineConfig, rows: NDArray[np.int64]) -> tuple[LevelCodes, tuple[int, ...]]:
    """Codes of the rows of a table, and its entries by code and activation code."""
    padded = tuple(map(tuple, _every_code(rows, config.code_bits).tolist()))
    codes = choose_codes(padded) if config.target == "xc7" else plain_codes(padded)
    return codes, codes.table(padded)


class LookupDot(TableDot):
    """``acc = sum_k phi[w_k][a_k]``, a table indexed by weight and activation code.

    Serves any table. Parameters and members are those of :class:`TableDot`.
    """

    @classmethod
    def row_bits(cls, config: EngineConfig) -> int:
        """Bits of a weight's field that choose a row of the table."""
        return config.weight_code_bits

    @classmethod
    def coding_of(cls, config: EngineConfig, parameters: LayerParameters) -> Coding:
        """How weights are spelled: by the row of the table."""
        codes, table = _spelled(config, blank_column(config, parameters.phi))
        bits = cls.row_bits(config)
        return Coding(
            fields=tuple(map(codes.code_of, range(config.m + 1))),
            field_bits=bits,
            row_bits=bits,
            table=table,
            shifts=tuple(-offset for offset in codes.offsets),
        )


class GatedDot(TableDot):
    """``acc = sum_k phi[w_k][a_k]``, where a zero weight forces the activation code to 0.

    The table is indexed by the other weight codes only: at M = 4 one input fewer than codes 0 to 4
    take. Serves tables whose row 0 is zero. Parameters and members are those of :class:`TableDot`.
    """

    @classmethod
    def row_bits(cls, config: EngineConfig) -> int:
        """Bits of a weight's field that choose a row of the table."""
        return unsigned_bits(config.m - 1)

    @classmethod
    def check(cls, config: EngineConfig, parameters: LayerParameters | None) -> None:
        """Refuse a layer whose zero weight is none."""
        super().check(config, parameters)
        assert parameters is not None
        wrong = parameters.phi[0][parameters.phi[0] != 0]
        if wrong.size:
            raise ValueError(f"row 0 of phi must be 0 for the gated datapath, not {int(wrong[0])}")

    @classmethod
    def coding_of(cls, config: EngineConfig, parameters: LayerParameters) -> Coding:
        """How weights are spelled: row of the table, and whether there is no weight at all."""
        codes, table = _spelled(config, blank_column(config, parameters.phi)[1:])
        bits = cls.row_bits(config)
        return Coding(
            fields=(1 << bits, *map(codes.code_of, range(config.m))),
            field_bits=bits + 1,
            row_bits=bits,
            table=table,
            shifts=(-table[0], *(-offset for offset in codes.offsets)),
        )
