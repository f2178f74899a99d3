"""Where memories go: what Yosys made of the same ones."""

import pytest

from pa_hdl.cost_memory import Placed, place_memory, rom_luts

LINES = {
    # depth, width: LUTs and blocks on xc7, ecp5, ice40, generic
    (224, 4): ((48, 0), (150, 0), (0, 1), (0, 1)),
    (56, 48): ((64, 0), (0, 2), (0, 3), (0, 1)),
    (32, 64): ((44, 0), (258, 0), (0, 4), (0, 1)),
    (512, 16): ((0, 0.5), (0, 1), (0, 2), (0, 1)),
    (128, 96): ((0, 1.5), (0, 3), (0, 6), (0, 2)),
}


@pytest.mark.parametrize("size", LINES)
def test_written_memories(size):
    found = [
        place_memory(target, *size, writable=True) for target in ("xc7", "ecp5", "ice40", "generic")
    ]
    assert [(each.luts, each.blocks) for each in found] == list(LINES[size])


def test_weights_are_in_blocks_however_few():
    assert place_memory("xc7", 16, 8, writable=False, block=True) == Placed(0, 0.5)
    assert place_memory("ecp5", 16, 8, writable=False, block=True) == Placed(0, 1)


@pytest.mark.parametrize(("target", "luts", "blocks"), [("ice40", 128, 12), ("generic", 64, 2)])
def test_deep_memories_choose_among_blocks(target, luts, blocks):
    assert place_memory(target, 576, 64, writable=False, block=True) == Placed(luts, blocks)


def test_small_tables_are_logic():
    assert place_memory("xc7", 16, 51, writable=False) == Placed(51, 0)
    assert place_memory("ecp5", 64, 10, writable=False) == Placed(40, 0)
    assert place_memory("xc7", 576, 96, writable=False).luts == 0


def test_a_table_takes_a_lut_for_each_bit_that_is_no_wire():
    assert rom_luts([0, 1, 2, 3], 2, "xc7") == 0
    assert rom_luts([0, 1, 1, 0], 1, "xc7") == 1
    assert rom_luts([0b00, 0b11, 0b11, 0b00], 2, "xc7") == 1
    assert rom_luts([*range(16), 5, 9, 1, 0], 4, "ecp5") == 8
