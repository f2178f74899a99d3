# amaranth: UnusedElaboratable=no
"""Sums of lookups in LUT6_2s and CARRY4s: portable cells in Amaranth, device cells under Icarus."""

import random

import pytest
from amaranth.hdl import Value
from ecp5_bench import run_icarus
from hdl_bench import simulate
from xc7_bench import OURS

from hw.flow import Design, synthesise
from hw.targets import Uses
from pa_hdl.cells.xc7 import Lookups
from pa_hdl.cells.xc7_adders import CarrySave, TernaryAccumulator
from pa_hdl.config import signed_bits
from pa_hdl.datapaths.table_sum_xc7 import Cells, Xc7TableSum
from pa_hdl.emit import ModuleLibrary

SHAPES = {
    "one entry is zero": dict(terms=1, index_bits=1, highest=1, acc_bits=4),
    "five terms a lookup": dict(terms=11, index_bits=1, highest=5, acc_bits=9, start=3),
    "two terms a lookup": dict(terms=5, index_bits=3, highest=60, acc_bits=12),
    "gated (4, 5)": dict(terms=32, index_bits=5, highest=127, acc_bits=17, correction=(0, 3000)),
    "gated (8, 7)": dict(terms=7, index_bits=6, highest=127, acc_bits=16, start=0x9A1),
    "negative correction": dict(terms=6, index_bits=4, highest=90, acc_bits=16, correction=(-9, 5)),
    "large table": dict(terms=2, index_bits=7, highest=255, acc_bits=17),
    "wraps around": dict(terms=7, index_bits=5, highest=60, acc_bits=7, start=100),
}


class PortableCells(Xc7TableSum):
    """The same sum of cells in plain logic, for Amaranth's simulator."""

    cells = Cells(Lookups, CarrySave, TernaryAccumulator)


def made(kind, shape, *, own):
    options = dict(SHAPES[shape])
    terms, index_bits, highest = (options.pop(n) for n in ("terms", "index_bits", "highest"))
    rng = random.Random(terms * 10 + index_bits)
    count = terms if own else 1
    tables = [tuple(rng.randint(0, highest) for _ in range(1 << index_bits)) for _ in range(count)]
    if own and terms > 2:  # no bit, one bit, and bits that are always 1
        tables[0] = (0,) * (1 << index_bits)
        tables[1] = tuple(min(value, 1) for value in tables[1])
        tables[2] = tuple(value | 6 for value in tables[2])
    return kind(tables=tuple(tables) * (terms // count), **options)


def folds_of(dut, count):
    rng = random.Random(count)
    lowest, highest = dut.correction_range or (0, 0)
    for at in range(count):
        index = [rng.randrange(1 << dut.index_bits) for _ in range(dut.terms)]
        correction = rng.choice([lowest, highest, rng.randint(lowest, highest)])
        yield index, correction, not at or rng.random() < 0.8, not at or rng.random() < 0.2


def expected_of(dut, folds):
    """Accumulator, not signed, once each fold has been taken in."""
    acc, found = 0, []
    for index, correction, valid, first in folds:
        if valid:
            total = sum(table[at] for table, at in zip(dut.tables, index, strict=True))
            acc = ((dut.start if first else acc) + total + correction) % (1 << dut.acc_bits)
        found.append(acc)
    return found


def vectors_of(dut, folds):
    """Inputs of each cycle: controls come ``latency - 1`` cycles after the index."""
    wait, idle = dut.latency - 1, [([0] * dut.terms, 0, False, False)] * dut.latency
    late = idle[:wait] + folds + idle[: dut.latency - wait]
    for (index, correction, _, _), (_, _, valid, first) in zip(folds + idle, late, strict=True):
        word = sum(at << (place * dut.index_bits) for place, at in enumerate(index))
        row = {"index": word, "valid": valid, "first": first}
        yield row | ({"correction": correction} if dut.correction_range else {})


@pytest.mark.parametrize(
    ("shape", "own"), [*((shape, True) for shape in SHAPES), ("gated (4, 5)", False)]
)
def test_device_cells_give_the_sum_of_entries(shape, own, tmp_path):
    dut = made(Xc7TableSum, shape, own=own)
    folds = list(folds_of(dut, 120))
    inputs = [("index", dut.terms * dut.index_bits), ("valid", 1), ("first", 1), ("rst", 1)]
    if dut.correction_range:
        inputs.append(("correction", signed_bits(*dut.correction_range)))
    acc = [("acc", dut.acc_bits)]
    rows = [{**row, "rst": 0} for row in vectors_of(dut, folds)]
    got = run_icarus(dut, inputs, acc, rows, tmp_path, models=OURS)
    assert got[dut.latency - 1 :][: len(folds)] == [
        {"acc": each} for each in expected_of(dut, folds)
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_portable_cells_give_the_sum_of_entries(shape):
    dut = made(PortableCells, shape, own=True)
    folds, got = list(folds_of(dut, 40)), []

    async def drive(ctx):
        for row in vectors_of(dut, folds):
            for name, value in row.items():
                ctx.set(Value.cast(getattr(dut, name)), value)
            await ctx.tick()
            got.append(ctx.get(Value.cast(dut.acc)) % (1 << dut.acc_bits))

    simulate(dut, drive)
    assert got[dut.latency - 1 :][: len(folds)] == expected_of(dut, folds)


def test_latency_depends_on_rows_alone():
    def latency(terms, index_bits, correction=False):
        return Xc7TableSum.latency_of(terms=terms, index_bits=index_bits, correction=correction)

    assert [latency(terms, 5) for terms in (1, 2, 3, 8, 32, 64)] == [2, 2, 4, 5, 7, 8]
    assert [latency(32, bits) for bits in (1, 2, 3, 4, 6, 7)] == [5, 6, 6, 7, 7, 7]
    assert latency(32, 5, correction=True) == 8
    for shape in SHAPES:
        assert (
            made(Xc7TableSum, shape, own=True).latency
            == made(Xc7TableSum, shape, own=False).latency
        )


def luts(dut, folder):
    library = ModuleLibrary(prefix="pe")
    library.add_top(dut)
    design = Design(
        name="pe", top="pe", verilog=library.verilog(), memories={}, units={"pe": "pe"}, keep=""
    )
    found = synthesise(design, "xc7", folder)["pe"]
    assert found.uses.lut == dut.luts
    assert found.uses == Uses(lut=found.uses.lut, ff=found.uses.ff, carry=found.uses.carry)
    return found.uses.lut


def test_synthesis_keeps_every_lut_and_adds_none(tmp_path):
    """What is placed is what is counted: no shift register, no logic beside the cells."""
    assert luts(made(Xc7TableSum, "gated (4, 5)", own=False), tmp_path) <= 7.7 * 32
