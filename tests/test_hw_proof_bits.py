"""Gates in many lanes at once, against the same sums in Python."""

import json

import numpy as np
import pytest

from hw.flow import run_yosys
from hw.proof_bits import Lanes, bits_of, lanes_of

SOURCE = """
module top(input clk, input rst, input up, input [5:0] a, input [5:0] b, output reg [7:0] s);
  always @(posedge clk) if (rst) s <= 0; else s <= up ? s + (a ^ b) : s - (a & b);
endmodule
"""

WORDS = 3


@pytest.fixture(scope="module")
def netlist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gates")
    (folder / "top.v").write_text(SOURCE)
    steps = ["read_verilog top.v", "hierarchy -top top", "proc", "opt", "techmap", "opt"]
    run_yosys([*steps, "dffunmap", "simplemap", "write_json top.json"], folder, folder / "log")
    return folder / "top.json"


@pytest.mark.parametrize("width", [1, 3, 17])
def test_lanes_and_back(width):
    numbers = np.random.default_rng(width).integers(0, 1 << width, 128)
    rows = lanes_of(numbers, width)
    assert rows.shape == (width, 2)
    assert np.array_equal(
        sum(bits_of(row).astype(np.int64) << b for b, row in enumerate(rows)), numbers
    )


def test_simulates(netlist):
    random = np.random.default_rng(1)
    simulation = Lanes(netlist, "top", words=WORDS, random=random)
    lanes, total = 64 * WORDS, np.zeros(64 * WORDS, dtype=np.int64)
    for cycle in range(40):
        a, b = random.integers(0, 64, (2, lanes))
        up, rst = random.integers(0, 2, lanes), (random.random(lanes) < 0.1).astype(np.int64)
        if not cycle:
            rst[:] = 1
        for port, values, width in (("a", a, 6), ("b", b, 6), ("up", up, 1), ("rst", rst, 1)):
            simulation.drive(port, lanes_of(values, width))
        simulation.settle()
        simulation.clock()
        total = np.where(rst, 0, np.where(up, total + (a ^ b), total - (a & b))) & 255
        simulation.settle()
        assert np.array_equal(simulation.read("s"), lanes_of(total, 8))


def test_starts_from_any_state(netlist):
    simulation = Lanes(netlist, "top", words=WORDS, random=np.random.default_rng(1))
    state = simulation.read("s")
    assert state.any()
    assert not np.array_equal(state[0], state[1])


def rewritten(netlist, tmp_path, change):
    design = json.loads(netlist.read_text())
    change(next(iter(design["modules"].values()))["cells"])
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(design))
    return path


def test_rejects_other_cells(netlist, tmp_path):
    def change(cells):
        next(cell for cell in cells.values() if cell["type"] == "$_AND_")["type"] = "LUT4"

    changed = rewritten(netlist, tmp_path, change)
    with pytest.raises(ValueError, match=r"^gates must be \$_AND_, .*, not LUT4$"):
        Lanes(changed, "top", words=1, random=np.random.default_rng(1))


def test_rejects_loops(netlist, tmp_path):
    def change(cells):
        pins = next(cell for cell in cells.values() if cell["type"] == "$_AND_")["connections"]
        pins["A"] = pins["Y"]

    changed = rewritten(netlist, tmp_path, change)
    with pytest.raises(ValueError, match=r"^[0-9]+ gates form a combinational loop$"):
        Lanes(changed, "top", words=1, random=np.random.default_rng(1))
