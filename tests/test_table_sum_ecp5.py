# amaranth: UnusedElaboratable=no
"""Sums of lookups in LUT4s and CCU2Cs, under Icarus with our models of the cells."""

import random

import pytest
from ecp5_bench import run_icarus, verilog_of

from pa_hdl.config import signed_bits
from pa_hdl.datapaths.table_sum_ecp5 import Ecp5TableSum

SHAPES = {
    "one term of two parts": dict(terms=1, index_bits=5, highest=100, acc_bits=9),
    "gated (4, 3)": dict(terms=8, index_bits=4, highest=127, acc_bits=14, correction=(-700, 0)),
    "gated (4, 5)": dict(terms=5, index_bits=5, highest=127, acc_bits=16, correction=(-9, 12)),
    "gated (8, 7)": dict(terms=3, index_bits=6, highest=90, acc_bits=12, start=0x9A1),
    "corrected term": dict(terms=1, index_bits=6, highest=7, acc_bits=6, correction=(-3, 0)),
    "correction of nothing": dict(terms=2, index_bits=2, highest=7, acc_bits=6, correction=(0, 0)),
    "large table": dict(terms=2, index_bits=7, highest=255, acc_bits=17),
    "wraps around": dict(terms=7, index_bits=5, highest=60, acc_bits=7, start=-5),
    "two entries": dict(terms=3, index_bits=1, highest=3, acc_bits=8),
}


def tables(*, terms, index_bits, highest, own):
    rng = random.Random(index_bits * 100 + terms)
    count = terms if own else 1
    found = [tuple(rng.randint(0, highest) for _ in range(1 << index_bits)) for _ in range(count)]
    if own and terms > 2:  # ranges of every width, and a table of zeros
        found[0] = (0,) * (1 << index_bits)
        found[1] = tuple(min(value, 1) for value in found[1])
    return tuple(found) if own else tuple(found) * terms


def folds_of(dut, count):
    rng = random.Random(count)
    lowest, highest = dut.correction_range or (0, 0)
    for _ in range(count):
        index = [rng.randrange(1 << dut.index_bits) for _ in range(dut.terms)]
        correction = rng.choice([lowest, highest, rng.randint(lowest, highest)])
        yield index, correction, rng.random() < 0.8, rng.random() < 0.2


def expected_of(dut, folds):
    """Accumulator once each fold has been taken in; ``None`` before the first start."""
    acc, found = None, []
    for index, correction, valid, first in folds:
        if valid and (first or acc is not None):
            total = sum(table[at] for table, at in zip(dut.tables, index, strict=True))
            acc = (dut.start if first else acc) + total + correction
            acc %= 1 << dut.acc_bits
        found.append(acc)
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_matches_the_sum_of_entries(shape, tmp_path):
    own = "gated" not in shape  # gated lookups share one table
    options = dict(SHAPES[shape])
    sizes = {name: options.pop(name) for name in ("terms", "index_bits", "highest")}
    dut = Ecp5TableSum(tables=tables(**sizes, own=own), **options)
    folds = list(folds_of(dut, 300))
    wait, idle = dut.latency - 1, [([0] * dut.terms, 0, False, False)] * dut.latency
    early = folds + idle
    late = idle[:wait] + folds + idle[: dut.latency - wait]
    vectors = []
    for (index, correction, _, _), (_, _, valid, first) in zip(early, late, strict=True):
        word = sum(at << (place * dut.index_bits) for place, at in enumerate(index))
        row = {"index": word, "valid": valid, "first": first, "correction": correction}
        vectors.append(row)
    inputs = [("index", dut.terms * dut.index_bits), ("valid", 1), ("first", 1)]
    if dut.correction_range:
        inputs.append(("correction", signed_bits(*dut.correction_range)))
    got = run_icarus(dut, inputs, [("acc", dut.acc_bits)], vectors, tmp_path)
    expected = expected_of(dut, folds)
    assert sum(value is not None for value in expected) > 250
    for place, value in enumerate(expected):
        if value is not None:
            assert got[place + wait] == {"acc": value}


def test_latency_counts_lookups_levels_correction_and_accumulator():
    def latency(terms, index_bits, correction=False):
        return Ecp5TableSum.latency_of(terms=terms, index_bits=index_bits, correction=correction)

    assert [latency(1, bits) for bits in (1, 4, 5, 6, 7)] == [2, 2, 2, 3, 2]
    assert [latency(terms, 5) for terms in (2, 3, 16, 17)] == [3, 4, 6, 7]
    assert latency(16, 5, correction=True) == 7


def test_bits_take_the_lookups_that_they_should():
    def count(index_bits):
        rng = random.Random(3)
        table = (127, *(rng.randrange(128) for _ in range((1 << index_bits) - 1)))
        # An adder of 9 bits has room for one more.
        text = verilog_of(Ecp5TableSum(tables=(table,) * 4, acc_bits=12), "pe")
        return text.count("LUT4 #(")

    assert [count(bits) for bits in (3, 4, 5, 6)] == [27, 27, 55, 111]
