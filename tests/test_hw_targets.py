"""Cell tables: what each type of cell counts as, and that nothing is counted silently."""

import pytest

from hw.targets import TARGETS, Uses, target_of


def test_uses_add_and_multiply():
    total = Uses(lut=2, ff=1) + Uses(lut=1, bram=4).times(3)
    assert total == Uses(lut=5, ff=1, bram=12)


@pytest.mark.parametrize(
    ("target", "cell", "uses"),
    [
        ("generic", "$lut", Uses(lut=1)),
        ("generic", "$_SDFFE_PP0P_", Uses(ff=1)),
        ("generic", "$_DFF_P_", Uses(ff=1)),
        ("generic", "GENERIC_BRAM", Uses(bram=1)),
        ("xc7", "LUT1", Uses(lut=1)),
        ("xc7", "LUT6", Uses(lut=1)),
        ("xc7", "LUT6_2", Uses(lut=1)),
        ("xc7", "MUXF7", Uses()),
        ("xc7", "FDRE", Uses(ff=1)),
        ("xc7", "FDSE", Uses(ff=1)),
        ("xc7", "CARRY4", Uses(carry=1)),
        ("xc7", "SRL16E", Uses(lut=1)),
        ("xc7", "SRLC32E", Uses(lut=1)),
        ("xc7", "RAM32M", Uses(lut=4)),
        ("xc7", "RAM64X1D", Uses(lut=2)),
        ("xc7", "RAMB18E1", Uses(bram=1)),
        ("xc7", "RAMB36E1", Uses(bram=1)),
        ("xc7", "DSP48E1", Uses(dsp=1)),
        ("ecp5", "LUT4", Uses(lut=1)),
        ("ecp5", "PFUMX", Uses()),
        ("ecp5", "CCU2C", Uses(lut=2, carry=1)),
        ("ecp5", "TRELLIS_DPR16X4", Uses(lut=6)),
        ("ecp5", "TRELLIS_FF", Uses(ff=1)),
        ("ecp5", "DP16KD", Uses(bram=1)),
        ("ecp5", "MULT18X18D", Uses(dsp=1)),
        ("ice40", "SB_LUT4", Uses(lut=1)),
        ("ice40", "SB_CARRY", Uses(carry=1)),
        ("ice40", "SB_DFF", Uses(ff=1)),
        ("ice40", "SB_DFFESR", Uses(ff=1)),
        ("ice40", "SB_RAM40_4K", Uses(bram=1)),
        ("ice40", "SB_MAC16", Uses(dsp=1)),
    ],
)
def test_cell_counts_as(target, cell, uses):
    assert TARGETS[target].model_of(cell).uses == uses


@pytest.mark.parametrize("target", TARGETS)
def test_unknown_cell_is_refused(target):
    with pytest.raises(ValueError, match=f"Target {target} has no model of cell type 'ODDR'"):
        TARGETS[target].model_of("ODDR")


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_flags_are_what_runs(target):
    """The flags beside a figure stand in the commands that made it."""
    shown = target.flags.split(" (")[0]
    assert any(all(word in command for word in shown.split()) for command in target.synth)


def test_multipliers_are_a_choice():
    assert target_of("xc7") is TARGETS["xc7"]
    with_blocks = target_of("xc7-dsp")
    assert "-nodsp" not in with_blocks.flags + "".join(with_blocks.synth)
    assert with_blocks.name == "xc7-dsp"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stratix", "target must be one of generic, xc7, ecp5, ice40, not 'stratix'"),
        ("ice40-dsp", "target ice40 has no multipliers to use: 'ice40-dsp'"),
    ],
)
def test_unknown_targets_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        target_of(name)
