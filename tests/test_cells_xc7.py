# amaranth: UnusedElaboratable=no
"""Lookups and adders of the 7-series: proven equal to their portable forms, which match models."""

import random

import pytest
from hdl_bench import outputs_of, simulate
from xc7_bench import prove_equal

from hw.flow import FlowError
from pa_hdl.cells.xc7 import Lookups, Xc7Lookups, reduced, support
from pa_hdl.cells.xc7_adders import (
    CarrySave,
    Position,
    TernaryAccumulator,
    Xc7CarrySave,
    Xc7TernaryAccumulator,
)

RANDOM = random.Random(5)
TABLE = RANDOM.getrandbits(32)
SIX = RANDOM.getrandbits(64)
ODD = sum(1 << at for at in range(64) if (at & 0b101011).bit_count() & 1)

LOOKUPS = [
    {"index_bits": 1, "groups": ((0b10, 0b01),)},
    {"index_bits": 3, "groups": ((0x6A,), (0x17, 0xE8))},
    {"index_bits": 5, "groups": ((TABLE, TABLE ^ 0xF0F0_1234), (0x8000_0001,))},
    {"index_bits": 6, "groups": ((SIX,), (ODD, ODD ^ (1 << 64) - 1))},
]
SAVES = [
    (Position(4),),
    (Position(2, starts=True),),
    (Position(1, starts=True), Position(1)),
    (Position(2), Position(1)),
    (Position(4), Position(4), Position(3), Position(2), Position(1)),
    (Position(2, starts=True), *[Position(4)] * 8),
    (Position(1, TABLE), Position(4), Position(1, TABLE ^ 0xFFFF), Position(2)),
    (Position(1, TABLE, starts=True), Position(1, 0xFFFF_0000), Position(3)),
    (Position(6, starts=True), Position(0)),
    (Position(5), Position(0), Position(4), Position(6), Position(0), Position(1, TABLE)),
]
SUMS = [
    {"rows": (0,), "start": 1},
    {"rows": (2, 1, 0, 2, 2, 0, 1), "start": 0b1011001},
    {"rows": (1, 1, 2, 2, 2, 2, 0, 0, 0), "start": 0},
    {"rows": (0, 2, 1, 1, 1), "start": 31},
]
FORMS = [
    *((Lookups(**each), Xc7Lookups(**each)) for each in LOOKUPS),
    *((CarrySave(positions=each), Xc7CarrySave(positions=each)) for each in SAVES),
    *((TernaryAccumulator(**each), Xc7TernaryAccumulator(**each)) for each in SUMS),
]


def fresh(forms):
    """The same components anew: one can be elaborated once only."""
    options = ("groups", "index_bits"), ("positions",), ("rows", "start")
    made = []
    for pair in forms:
        names = next(each for each in options if hasattr(pair[0], each[0]))
        made.append(
            tuple(type(each)(**{name: getattr(each, name) for name in names}) for each in pair)
        )
    return made


@pytest.mark.parametrize("model", ["ours", "yosys"])
def test_device_cells_equal_their_portable_forms(model, tmp_path):
    prove_equal(fresh(FORMS), model, tmp_path)


@pytest.mark.parametrize(
    ("form", "change"),
    [
        (FORMS[2], (f"{TABLE:x}", f"{TABLE ^ 4:x}")),
        (FORMS[8], ("e8e8e8e8", "e8e8e8ea")),
        (FORMS[-2], (".CYINIT(1'h0)", ".CYINIT(1'h1)")),
    ],
    ids=["lookup", "majority", "carry"],
)
def test_a_broken_bit_is_found(form, change, tmp_path):
    with pytest.raises(FlowError, match="proof did fail"):
        prove_equal(fresh([form]), "ours", tmp_path, change=change)


@pytest.mark.parametrize("options", LOOKUPS)
def test_lookups_match_model(options):
    dut = Lookups(**options)
    indices = range(1 << dut.index_bits)
    expected = [dut.model(index) for index in indices]
    assert outputs_of(dut, [{"index": index} for index in indices], "o", 1) == expected


@pytest.mark.parametrize("positions", SAVES)
def test_carry_save_keeps_the_sum(positions):
    dut = CarrySave(positions=positions)
    functions = [each.function for each in positions if each.function is not None]
    random_ = random.Random(len(positions))
    expected, got, inputs = [], [], []
    for _ in range(200):
        bits = random_.getrandbits(sum(each.bits + each.starts for each in positions))
        index = [random_.randrange(32) for _ in functions]
        inputs.append((bits, index))
        expected.append(dut.model(bits, index))
    above = [place + 1 for place, each in enumerate(positions) if each.high]

    async def drive(ctx):
        for bits, index in inputs:
            ctx.set(dut.bits, bits)
            for place, value in enumerate(index):
                ctx.set(dut.index[place], value)
            await ctx.tick()
            total = ctx.get(dut.sums) + (ctx.get(dut.carry) << len(positions))
            high = ctx.get(dut.high) if above else 0
            got.append(total + sum((high >> n & 1) << column for n, column in enumerate(above)))

    simulate(dut, drive)
    assert got == expected


@pytest.mark.parametrize("options", SUMS)
def test_accumulator_matches_model(options):
    dut = TernaryAccumulator(**options)
    random_ = random.Random(7)
    count = sum(dut.rows)

    async def drive(ctx):
        acc = 0
        for at in range(200):
            bits, first, valid = random_.getrandbits(count), random_.random() < 0.2, at % 5 > 0
            if count:
                ctx.set(dut.bits, bits)
            ctx.set(dut.first, first)
            ctx.set(dut.valid, valid)
            await ctx.tick()
            acc = dut.model(acc, bits, first) if valid else acc
            assert ctx.get(dut.acc) == acc

    simulate(dut, drive)


def test_support_and_reduction():
    assert support(0b1010, 2) == (0,)
    assert support(0, 3) == ()
    assert support(ODD, 6) == (0, 1, 3, 5)
    kept = support(ODD, 6)
    assert reduced(ODD, kept) == sum(1 << at for at in range(16) if at.bit_count() & 1)
    assert reduced(0b1100, (1, 0)) == 0b1010


@pytest.mark.parametrize(
    ("kind", "options", "error", "message"),
    [
        (Lookups, {"index_bits": 7, "groups": ()}, ValueError, "index_bits must be 1 to 6, not 7"),
        (Lookups, {"index_bits": 2, "groups": ((16,),)}, ValueError, "function must be .* not 16"),
        (Lookups, {"index_bits": 6, "groups": ((SIX, ODD),)}, ValueError, "a group must be one"),
        (Lookups, {"index_bits": 2, "groups": ((),)}, ValueError, r"a group .* not \(\)"),
        (CarrySave, {"positions": ()}, ValueError, "positions must not be empty"),
        (CarrySave, {"positions": (Position(7),)}, ValueError, "bits must be 1 to 6, not 7"),
        (CarrySave, {"positions": (Position(0),)}, ValueError, "bits must be 1 to 6, not 0"),
        (CarrySave, {"positions": (Position(2, 1),)}, ValueError, "bits must be 1 to 1, not 2"),
        (CarrySave, {"positions": (Position(6), Position(1))}, ValueError, "0 to 0, not 1"),
        (CarrySave, {"positions": (Position(6),)}, ValueError, "of no bits must follow .*bits=6"),
        (CarrySave, {"positions": (Position(1, -1),)}, ValueError, "function must be .* not -1"),
        (
            CarrySave,
            {"positions": (Position(3, starts=True),)},
            ValueError,
            "a chain cannot start with a bit at position 0: .*bits=3",
        ),
        (
            CarrySave,
            {"positions": (Position(1), Position(1, starts=True))},
            ValueError,
            "at position 1",
        ),
        (TernaryAccumulator, {"rows": (), "start": 0}, ValueError, "rows must not be empty"),
        (TernaryAccumulator, {"rows": (3,), "start": 0}, ValueError, "row must be 0 to 2, not 3"),
        (TernaryAccumulator, {"rows": (1,), "start": 2}, ValueError, "start must be 0 to 1, not 2"),
    ],
)
def test_bad_parameters_are_refused(kind, options, error, message):
    with pytest.raises(error, match=message):
        kind(**options)
