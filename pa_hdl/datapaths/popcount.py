"""The paper's dot product: pairs of bases counted, counts weighed by phi."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.bases import BaseDecoder, decode
from pa_hdl.config import EngineConfig, ceil_div, unsigned_bits
from pa_hdl.datapaths.signature import control, dot_signature
from pa_hdl.emit import add_submodule
from pa_hdl.parameters import LayerParameters, coefficients, weight_words
from pa_hdl.popcount import AndPopcount, SumTree, add_lookup, delay, range_shape, tree_levels

__all__ = ["PhiStore", "Plan", "PopcountDot", "PopcountPe", "check_zeros"]


def check_zeros(config: EngineConfig, parameters: LayerParameters | None) -> None:
    """Refuse a table whose row or column 0 is not zero.

    Raises
    ------
    ValueError
        Quoting the entry.
    """
    if parameters is not None:
        edge = [*parameters.phi[0].tolist(), *parameters.phi[1:, 0].tolist()]
        if any(edge):
            raise ValueError(
                f"row and column 0 of phi must be 0 for the {config.datapath} datapath, "
                f"not {next(entry for entry in edge if entry)}"
            )


class Plan:
    """How the products of one PE are split into digits of the counts, and their ranges.

    A baked coefficient times up to six bits of a count is one LUT for each result bit. A loaded one
    is multiplied by two bits of a count at a time: a choice among its multiples 0 to 3.
    """

    def __init__(self, config: EngineConfig, table: tuple[tuple[int, ...], ...] | None) -> None:
        self.config = config
        self.table = table
        count_bits = unsigned_bits(config.simd)
        self.digit_bits = min(count_bits, 2 if config.loadable else 6)
        self.digits = ceil_div(count_bits, self.digit_bits)
        self.terms = config.m * config.n * self.digits

    def coefficient_range(self, lane: int) -> tuple[int, int]:
        if self.table is None:
            limit = self.config.phi_limit * (1 + (self.config.base == "thermometer"))
            return -limit, limit
        value = self.table[lane // self.config.n][lane % self.config.n]
        return value, value

    def digit_range(self, digit: int) -> range:
        """Values of one digit of a count."""
        shift = digit * self.digit_bits
        return range(min((1 << self.digit_bits) - 1, self.config.simd >> shift) + 1)

    def term_range(self, term: int) -> tuple[int, int]:
        lane, digit = divmod(term, self.digits)
        largest = self.digit_range(digit)[-1] << (digit * self.digit_bits)
        lowest, highest = self.coefficient_range(lane)
        return min(0, lowest * largest), max(0, highest * largest)

    def bound(self, start: int, end: int) -> tuple[int, int]:
        """Range of a sum of terms: an element is counted in one lane at most (in the lanes of one
        row, from the first on, when thermometer coded)."""
        ranges = [self.term_range(term) for term in range(start, end)]
        lowest, highest = sum(low for low, _ in ranges), sum(high for _, high in ranges)
        if start % self.digits == 0 and end % self.digits == 0:
            low, high = self._element_range(start // self.digits, end // self.digits)
            lowest = max(lowest, self.config.simd * low)
            highest = min(highest, self.config.simd * high)
        return lowest, highest

    def _element_range(self, start: int, end: int) -> tuple[int, int]:
        """Range of what one element adds to the lanes ``start..end-1``."""
        onehot = self.config.base == "onehot"
        if self.table is None:
            whole_rows = onehot or start % self.config.n == 0
            limit = self.config.phi_limit * (1 if whole_rows else 2)
            return -limit, limit
        low = high = running = 0
        for lane in range(start, end):
            i, j = divmod(lane, self.config.n)
            running = self.table[i][j] + (0 if onehot or j == 0 else running)
            low, high = min(low, running), max(high, running)
        return low, high


def pe_model(
    config: EngineConfig,
    table: Sequence[Sequence[int]],
    folds: Sequence[tuple[Sequence[int], Sequence[int]]],
) -> int:
    """Accumulator of ``(activation codes, weight codes)`` folds, by AND and popcount of bases."""
    return sum(
        coefficient * (t & v).bit_count()
        for act, weight in folds
        for t, row in zip(decode(weight, config.m), table, strict=True)
        for v, coefficient in zip(decode(act, config.n, config.base), row, strict=True)
    )


class PopcountPe(wiring.Component):
    """One output channel: count each pair of bases, weigh by phi, add up, accumulate.

    One fold per cycle; ``acc`` is complete :attr:`latency` cycles after the last fold came in.

    ::

        weight ─▶ bases ─┬▶ lane_1_1 ─▶ * phi ─┐
        act bases ───────┼▶   ...        ...   ├▶ tree ─▶ acc
                         └▶ lane_M_N ─▶ * phi ─┘

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine.
    table : tuple of tuples of :class:`int`, optional
        Coefficients of the lanes, ``m`` rows of ``n``; ``None`` when they are loaded.

    Members
    -------
    weight : SIMD weight codes
    act_bases : the activation bases, one cycle after the weight codes
    valid, first : ``latency - 1`` cycles after the weight codes: accumulate, start from 0
    multiples : once and three times each coefficient; only when loadable
    acc : the accumulator
    """

    def __init__(
        self, *, config: EngineConfig, table: tuple[tuple[int, ...], ...] | None = None
    ) -> None:
        self.config = config
        self.table = table
        members: dict[str, Any] = {
            "weight": In(data.ArrayLayout(config.weight_code_bits, config.simd)),
            "act_bases": In(data.ArrayLayout(config.simd, config.n)),
            "valid": In(1),
            "first": In(1),
            "acc": Out(signed(config.acc_bits)),
        }
        if table is None:
            members["multiples"] = In(_multiples_layout(config))
        super().__init__(members)

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config, self.table)

    @property
    def module_name(self) -> str:
        return "pe"

    @classmethod
    def lane(cls, config: EngineConfig) -> type[AndPopcount]:
        """What counts each pair of bases."""
        return AndPopcount

    @classmethod
    def decoder(cls, config: EngineConfig) -> type[BaseDecoder]:
        """What spells codes out as bases."""
        return BaseDecoder

    @classmethod
    def latency(cls, config: EngineConfig) -> int:
        """Cycles from the weight codes of a fold to the accumulator that includes it."""
        lanes = cls.lane(config).latency_of(config.simd)
        return BaseDecoder.latency + lanes + 1 + tree_levels(Plan(config, None).terms) + 1

    def model(self, folds: Sequence[tuple[Sequence[int], Sequence[int]]]) -> int:
        """Accumulator of ``(activation codes, weight codes)`` folds, by AND and popcount."""
        if self.table is None:
            raise ValueError("a loadable PE has no table of its own")
        return pe_model(self.config, self.table, folds)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, plan = self.config, Plan(self.config, self.table)
        tree = SumTree(terms=plan.terms, bound=plan.bound)
        add_submodule(m, platform, "tree", tree)
        for lane, count in enumerate(self.add_lanes(m, platform)):
            for digit in range(plan.digits):
                term = lane * plan.digits + digit
                product = self._product(m, plan, term, count)
                m.d.comb += tree.i[str(term)].eq(delay(m, f"term_{term}", product, 1))
        acc = Signal(signed(config.acc_bits), reset_less=True)
        with m.If(self.valid):
            m.d.sync += acc.eq(Mux(self.first, 0, acc) + tree.o)
        m.d.comb += self.acc.eq(acc)
        return m

    def add_lanes(self, m: Module, platform: Any) -> list[Value]:
        """Decode the weights and count each pair of bases, rows of the table one after another."""
        config = self.config
        bases = self.decoder(config)(lanes=config.simd, count=config.m)
        add_submodule(m, platform, "weight_bases", bases)
        m.d.comb += bases.i.eq(self.weight)
        counts: list[Value] = []
        for i in range(config.m):
            for j in range(config.n):
                lane = self.lane(config)(bits=config.simd)
                add_submodule(m, platform, f"lane_{i + 1}_{j + 1}", lane)
                m.d.comb += [lane.weight.eq(bases.o[i]), lane.act.eq(self.act_bases[j])]
                counts.append(lane.o)
        return counts

    def _product(self, m: Module, plan: Plan, term: int, count: Value) -> Signal:
        """One digit of a count times its lane's coefficient."""
        lane, digit = divmod(term, plan.digits)
        shift = digit * plan.digit_bits
        bits = count[shift : shift + plan.digit_bits]
        shape = range_shape(*plan.term_range(term))
        if self.table is not None:
            factor = plan.coefficient_range(lane)[0] << shift
            # Digits beyond the largest count never occur.
            values = [factor * min(v, plan.digit_range(digit)[-1]) for v in range(1 << len(bits))]
            return add_lookup(m, f"product_{term}", bits, values, shape)
        once, thrice = self.multiples[lane].once, self.multiples[lane].thrice
        select = Signal(2, name=f"digit_{term}")
        product = Signal(shape, name=f"product_{term}")
        high = Mux(select[0], thrice, once << 1)
        m.d.comb += select.eq(bits)
        m.d.comb += product.eq(Mux(select[1], high, Mux(select[0], once, 0)) << shift)
        return product


def _multiples_layout(config: EngineConfig) -> data.ArrayLayout:
    limit = config.phi_limit * (1 + (config.base == "thermometer"))
    once, thrice = range_shape(-limit, limit), range_shape(-3 * limit, 3 * limit)
    return data.ArrayLayout(
        data.StructLayout({"once": once, "thrice": thrice}), config.m * config.n
    )


class PhiStore(wiring.Component):
    """Loaded coefficients and three times them, three cycles after the last write.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine. Its base decides whether the entries or their differences come out.

    Members
    -------
    en, index, data : write one entry of the one-hot table
    multiples : once and three times the coefficient of each lane
    """

    def __init__(self, *, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "en": In(1),
                "index": In(range(max(2, config.m * config.n))),
                "data": In(signed(config.phi_bits)),
                "multiples": Out(_multiples_layout(config)),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config,)

    @property
    def module_name(self) -> str:
        return "phi_store"

    def model(self, entries: Sequence[int]) -> list[int]:
        """Coefficients of the lanes when `entries` have been written."""
        phi = np.zeros((self.config.m + 1, self.config.n + 1), dtype=np.int64)
        phi[1:, 1:] = np.reshape(entries, (self.config.m, self.config.n))
        return coefficients(phi, self.config.base).ravel().tolist()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        thermometer = self.config.base == "thermometer"
        previous: Value | int = 0
        multiples: list[Value] = []
        for lane in range(self.config.m * self.config.n):
            entry = Signal(signed(self.config.phi_bits), name=f"phi_{lane}", reset_less=True)
            with m.If(self.en & (self.index == lane)):
                m.d.sync += entry.eq(self.data)
            if lane % self.config.n == 0 or not thermometer:
                previous = 0
            out = self.multiples[lane]
            once = Signal(out.once.shape(), name=f"once_{lane}", reset_less=True)
            thrice = Signal(out.thrice.shape(), name=f"thrice_{lane}", reset_less=True)
            m.d.sync += [once.eq(entry - previous), thrice.eq(once + (once << 1))]
            multiples += [once, thrice]
            previous = entry
        # One assignment: a slice of a wide signal for each lane takes quadratic time to convert.
        m.d.comb += self.multiples.as_value().eq(Cat(multiples))
        return m


class PopcountDot(wiring.Component):
    """The paper's dot product: ``acc = sum_ij phi_ij * popcount(T_i & V_j)``, one fold per cycle.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine.
    parameters : :class:`~pa_hdl.parameters.LayerParameters`, optional
        The layer whose phi is baked in; ``None`` for a loadable engine.

    Members
    -------
    Those of :func:`~pa_hdl.datapaths.signature.dot_signature`.

    Raises
    ------
    ValueError
        If row or column 0 of phi is not zero.
    """

    pe: type[PopcountPe] = PopcountPe
    """What each output channel is made of."""

    def __init__(self, *, config: EngineConfig, parameters: LayerParameters | None = None) -> None:
        self.check(config, parameters)
        self.config = config
        self.table = None
        if parameters is not None:
            rows = coefficients(parameters.phi, config.base).tolist()
            self.table = tuple(tuple(row) for row in rows)
        super().__init__(dot_signature(config))

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config, self.table)

    @property
    def module_name(self) -> str:
        return "dot"

    @classmethod
    def latency(cls, config: EngineConfig) -> int:
        """Cycles from the last fold of an output element to its accumulator."""
        return cls.pe.latency(config)

    @classmethod
    def check(cls, config: EngineConfig, parameters: LayerParameters | None) -> None:
        """Refuse a table whose zero weight or zero activation is none."""
        check_zeros(config, parameters)

    @classmethod
    def weight_words(cls, config: EngineConfig, parameters: LayerParameters) -> list[int]:
        """Words of the weight memory, in address order."""
        return weight_words(config, parameters)

    def model(self, folds: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[int]:
        """Accumulator of each PE after ``(activation codes, weight codes)`` folds."""
        if self.table is None:
            raise ValueError("a loadable dot product has no table of its own")
        simd = self.config.simd
        return [
            pe_model(self.config, self.table, [(a, w[start : start + simd]) for a, w in folds])
            for start in range(0, self.config.pe * simd, simd)
        ]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        decoder = self.pe.decoder(config)
        bases = decoder(lanes=config.simd, count=config.n, base=config.base)
        add_submodule(m, platform, "act_bases", bases)
        m.d.comb += bases.i.eq(self.act)
        valid, first = control(m, self, self.latency(config))
        if config.loadable:
            store = PhiStore(config=config)
            add_submodule(m, platform, "phi", store)
            m.d.comb += [
                store.en.eq(self.phi_en),
                store.index.eq(self.phi_index),
                store.data.eq(self.phi_data),
            ]

        def add_pe(index: int) -> None:
            pe = self.pe(config=config, table=self.table)
            add_submodule(m, platform, f"pe_{index}", pe)
            for lane in range(config.simd):
                m.d.comb += pe.weight[lane].eq(self.weight[index * config.simd + lane])
            m.d.comb += [pe.act_bases.eq(bases.o), pe.valid.eq(valid), pe.first.eq(first)]
            m.d.comb += self.acc[index].eq(pe.acc)
            if config.loadable:
                m.d.comb += pe.multiples.eq(store.multiples)

        for index in range(config.pe):
            add_pe(index)
        return m
