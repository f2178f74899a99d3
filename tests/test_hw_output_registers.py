"""Which registers move into the block RAM in front of them."""

import json

import pytest

from hw.flow import Design, commands, run_yosys
from hw.output_registers import absorb
from hw.targets import TARGETS

MEMORY = """
module memory(input clk, input rst, input en, input [8:0] ra, input [8:0] wa, input we,
              input [WIDTH-1:0] wd, output reg [WIDTH-1:0] rd, output other);
  parameter WIDTH = 36;
  reg [WIDTH-1:0] words [0:511];
  reg [WIDTH-1:0] word;
  assign other = TAP;
  always @(posedge clk) begin
    word <= words[ra];
    if (we) words[wa] <= wd;
    STAGE
  end
endmodule
"""


def mapped(tmp_path, *, width=36, stage="rd <= word;", tap="1'b0"):
    text = MEMORY.replace("WIDTH = 36", f"WIDTH = {width}").replace("STAGE", stage)
    text = text.replace("TAP", tap)
    design = Design(
        name="m", top="memory", verilog=text, memories={}, units={"memory": "memory"}, keep="",
        block_rams="memory",
    )  # fmt: skip
    (tmp_path / "design.v").write_text(text)
    run_yosys(commands(design, TARGETS["ecp5"], "netlist.json"), tmp_path, tmp_path / "log")
    return json.loads((tmp_path / "netlist.json").read_text())


def cells(netlist, kind):
    return [c for c in netlist["modules"]["memory"]["cells"].values() if c["type"] == kind]


@pytest.mark.parametrize(("width", "blocks", "modes"), [(36, 1, 2), (18, 1, 1)])
def test_a_register_behind_a_block_ram_moves_into_it(tmp_path, width, blocks, modes):
    netlist = mapped(tmp_path, width=width)
    outputs = netlist["modules"]["memory"]["ports"]["rd"]["bits"]
    assert absorb(netlist) == width
    assert cells(netlist, "TRELLIS_FF") == []
    rams = cells(netlist, "DP16KD")
    assert len(rams) == blocks
    assert sum(ram["parameters"][f"REGMODE_{s}"] == "OUTREG" for ram in rams for s in "AB") == modes
    driven = {bit for ram in rams for port, bits in ram["connections"].items()
              if port.startswith("DO") for bit in bits}  # fmt: skip
    assert set(outputs) <= driven
    assert absorb(netlist) == 0


@pytest.mark.parametrize(
    "options",
    [
        {"stage": "if (rst) rd <= 0; else rd <= word;"},
        {"stage": "if (en) rd <= word;"},
        {"stage": "rd <= ~word;"},
        {"tap": "word[3]"},
    ],
    ids=["reset", "enable", "logic", "second reader"],
)
def test_other_registers_stay(tmp_path, options):
    netlist = mapped(tmp_path, **options)
    before = json.dumps(netlist)
    assert absorb(netlist) == 0
    assert json.dumps(netlist) == before
