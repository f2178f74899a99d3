"""Small circuits whose figures are known, mapped to every target."""

import re

import pytest

import hw.flow
from hw.flow import Design, FlowError, synthesise
from hw.targets import Uses

PROBE = """
module adder(input clk, input [15:0] a, input [15:0] b, output reg [15:0] s);
  reg [15:0] x, y;
  always @(posedge clk) begin x <= a; y <= b; s <= x + y; end
endmodule
module majority(input clk, input [2:0] a, input [2:0] b, output reg o);
  wire p = a[0] & a[1] | a[1] & a[2] | a[0] & a[2];
  always @(posedge clk) o <= p ^ b[0];
endmodule
module conjunction(input clk, input [15:0] a, output reg o);
  always @(posedge clk) o <= &a;
endmodule
module ram(input clk, input [8:0] ra, input [8:0] wa, input we, input [15:0] wd,
           output reg [15:0] rd);
  reg [15:0] words [0:511];
  always @(posedge clk) begin rd <= words[ra]; if (we) words[wa] <= wd; end
endmodule
module rom(input clk, input [8:0] ra, output reg [31:0] rd);
  reg [31:0] words [0:511];
  initial $readmemh("rom.mem", words);
  always @(posedge clk) rd <= words[ra];
endmodule
module delay(input clk, input d, output q);
  reg [15:0] stages;
  always @(posedge clk) stages <= {stages[14:0], d};
  assign q = stages[15];
endmodule
module queue(input clk, input [3:0] ra, input [3:0] wa, input we, input [7:0] wd,
             output [7:0] rd);
  reg [7:0] words [0:15];
  assign rd = words[ra];
  always @(posedge clk) if (we) words[wa] <= wd;
endmodule
module probe(input clk, input [15:0] a, input [15:0] b, output [15:0] s, output [15:0] t,
             output m, output c, output [15:0] r, output [31:0] o, output q, output [7:0] f);
  adder u_adder(clk, a, b, s);
  adder u_other(clk, b, s, t);
  majority u_majority(clk, a[2:0], b[2:0], m);
  conjunction u_conjunction(clk, a, c);
  ram u_ram(clk, a[8:0], b[8:0], b[9], a, r);
  rom u_rom(clk, a[8:0], o);
  delay u_delay(clk, a[0], q);
  queue u_queue(clk, a[3:0], b[3:0], b[4], a[7:0], f);
endmodule
"""

UNITS = ("adder", "majority", "conjunction", "ram", "rom", "delay", "queue")

# Uses, depth and carry depth of each unit.
EXPECTED = {
    "generic": {
        "majority": (Uses(lut=1, ff=1), 1, 0),
        "conjunction": (Uses(lut=5, ff=1), 2, 0),
        "ram": (Uses(bram=1), 0, 0),
        "rom": (Uses(bram=1), 0, 0),
        "delay": (Uses(ff=16), 0, 0),
    },
    "xc7": {
        "adder": (Uses(lut=16, ff=48, carry=4), 1, 4),
        "majority": (Uses(lut=1, ff=1), 1, 0),
        "conjunction": (Uses(lut=5, ff=1), 3, 0),
        "ram": (Uses(bram=1), 0, 0),
        "rom": (Uses(bram=1), 0, 0),
        "delay": (Uses(lut=1), 0, 0),
        "queue": (Uses(lut=8), 1, 0),
    },
    "ecp5": {
        "adder": (Uses(lut=16, ff=48, carry=8), 1, 8),
        "majority": (Uses(lut=1, ff=1), 1, 0),
        "conjunction": (Uses(lut=5, ff=1), 2, 0),
        "ram": (Uses(bram=1), 0, 0),
        "rom": (Uses(bram=1), 0, 0),
        "delay": (Uses(ff=16), 0, 0),
        "queue": (Uses(lut=12), 1, 0),
    },
    "ice40": {
        "adder": (Uses(lut=16, ff=48, carry=15), 1, 15),
        "majority": (Uses(lut=1, ff=1), 1, 0),
        "conjunction": (Uses(lut=5, ff=1), 2, 0),
        "ram": (Uses(bram=2), 0, 0),
        "rom": (Uses(bram=4), 0, 0),
        "delay": (Uses(ff=16), 0, 0),
    },
}


def probe(**changes):
    words = "\n".join(f"{(index * 2654435761 >> 3) % 2**32:x}" for index in range(512))
    given = {
        "name": "probe",
        "top": "probe",
        "verilog": PROBE,
        "memories": {"rom.mem": words},
        "units": {unit: unit for unit in ("probe", *UNITS)},
        "keep": "",
    }
    return Design(**{**given, **changes})


@pytest.mark.parametrize("target", EXPECTED)
def test_known_circuits(target, tmp_path):
    found = synthesise(probe(), target, tmp_path)
    assert {
        unit: (found[unit].uses, found[unit].depth, found[unit].carry_depth)
        for unit in EXPECTED[target]
    } == EXPECTED[target]
    parts = Uses()
    for unit in UNITS:
        parts += found[unit].uses.times(2 if unit == "adder" else 1)
    assert found["probe"].uses == parts, "a module counts as often as it stands in the design"
    assert found["probe"].depth == max(found[unit].depth for unit in UNITS)


PLACED = {
    "xc7": """
  LUT6_2 #(.INIT(64'h123456789abcdef0)) u_pair(.I0(a[0]), .I1(a[1]), .I2(a[2]), .I3(a[3]),
    .I4(a[4]), .I5(1'b1), .O5(x[0]), .O6(x[1]));
  LUT6 #(.INIT(64'h123456789abcdef1)) u_six(.I0(a[0]), .I1(a[1]), .I2(a[2]), .I3(a[3]),
    .I4(a[4]), .I5(a[5]), .O(x[2]));
  LUT5 #(.INIT(32'h9abcdef0)) u_five(.I0(a[1]), .I1(a[2]), .I2(a[3]), .I3(a[4]), .I4(a[5]),
    .O(x[3]));
  CARRY4 u_carry(.S(x), .DI(a[3:0]), .CI(1'b0), .CYINIT(1'b0), .O(y));
  always @(posedge clk) z <= y;
""",
    "ecp5": """
  LUT4 #(.INIT(16'h1234)) u_low(.A(a[0]), .B(a[1]), .C(a[2]), .D(a[3]), .Z(x[0]));
  LUT4 #(.INIT(16'h8761)) u_high(.A(a[0]), .B(a[1]), .C(a[2]), .D(a[3]), .Z(x[1]));
  PFUMX u_mux(.ALUT(x[0]), .BLUT(x[1]), .C0(a[4]), .Z(x[2]));
  CCU2C #(.INIT0(16'h96aa), .INIT1(16'h96aa), .INJECT1_0("NO"), .INJECT1_1("NO")) u_carry(
    .A0(a[0]), .B0(a[1]), .C0(x[2]), .D0(1'b1), .A1(a[2]), .B1(a[3]), .C1(x[0]), .D1(1'b1),
    .CIN(1'b0), .S0(y[0]), .S1(y[1]));
  TRELLIS_FF u_ff(.CLK(clk), .DI(y[0]), .LSR(a[5]), .CE(1'b1), .Q(q));
  always @(posedge clk) z <= {y[1], q};
""",
}


@pytest.mark.parametrize(
    ("target", "uses", "depth", "carry_depth"),
    [("xc7", Uses(lut=3, ff=4, carry=1), 1, 1), ("ecp5", Uses(lut=4, ff=3, carry=1), 2, 1)],
)
def test_placed_primitives_stay(tmp_path, target, uses, depth, carry_depth):
    """A primitive with parameters is neither mapped again nor lost, whatever module it is in."""
    verilog = f"""
module leaf(input clk, input [5:0] a, output reg [3:0] z);
  wire [3:0] x, y;
  wire q;
{PLACED[target]}endmodule
module top(input clk, input [5:0] a, output [3:0] z);
  leaf u_leaf(clk, a, z);
endmodule
"""
    units = {"top": "top", "leaf": "leaf"}
    design = probe(verilog=verilog, memories={}, top="top", units=units)
    found = synthesise(design, target, tmp_path)
    for unit in units:
        assert found[unit].uses == uses
        assert (found[unit].depth, found[unit].carry_depth) == (depth, carry_depth)


LANE = """
module lane(input clk, input a, input b, output reg o);
  always @(posedge clk) o <= a & b;
endmodule
module top(input clk, input a, input b, output [1:0] o);
  lane u_0(clk, a, b, o[0]);
  lane u_1(clk, o[0], b, o[1]);
endmodule
"""


def lane_design(**changes):
    given = {"verilog": LANE, "top": "top", "units": {"top": "top"}, "keep": "lane"}
    return probe(memories={}, **{**given, **changes})


def test_results_are_kept_by_content(tmp_path, monkeypatch):
    first = synthesise(lane_design(), "generic", tmp_path)
    assert first["top"].uses == Uses(lut=2, ff=2)

    def refuse(*_):
        raise AssertionError("Yosys ran again")

    monkeypatch.setattr(hw.flow, "run_yosys", refuse)
    assert synthesise(lane_design(), "generic", tmp_path) == first
    with pytest.raises(AssertionError, match="ran again"):
        synthesise(lane_design(verilog=LANE.replace("a & b", "a | b")), "generic", tmp_path)
    with pytest.raises(AssertionError, match="ran again"):
        synthesise(lane_design(keep=""), "generic", tmp_path)
    with pytest.raises(AssertionError, match="ran again"):
        synthesise(lane_design(), "ice40", tmp_path)


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"lane": {"uses": {}}}'])
def test_a_result_cut_short_is_made_again(tmp_path, damage):
    whole = synthesise(lane_design(), "ice40", tmp_path)
    [known] = tmp_path.glob("*.json")
    known.write_text(damage)
    assert synthesise(lane_design(), "ice40", tmp_path) == whole
    assert known.read_text() != damage


def test_refused_design_names_error_and_log(tmp_path):
    broken = lane_design(verilog=LANE.replace("a & b", "a & missing(b)"))
    with pytest.raises(FlowError, match=r"missing.* \(log: .*probe-generic\.log\)"):
        synthesise(broken, "generic", tmp_path)
    assert list(tmp_path.glob("*.json")) == []


def test_missing_memory_file_is_refused(tmp_path):
    with pytest.raises(FlowError, match=re.escape("rom.mem")):
        synthesise(probe(memories={}), "generic", tmp_path)


def test_memories_are_forced_into_block_ram(tmp_path):
    small = """
module table(input clk, input [2:0] a, output reg [1:0] o);
  reg [1:0] words [0:7];
  initial $readmemh("table.mem", words);
  always @(posedge clk) o <= words[a];
endmodule
"""
    given = {"top": "table", "verilog": small, "units": {"table": "table"}, "keep": ""}
    given["memories"] = {"table.mem": "0 1 3 2 1 1 0 2"}
    left = synthesise(probe(**given), "ice40", tmp_path)["table"].uses
    assert (left.lut, left.bram) == (2, 0)
    forced = synthesise(probe(**given, block_rams="tab.*"), "ice40", tmp_path)["table"].uses
    assert (forced.lut, forced.bram) == (0, 1)


def test_modules_and_units():
    assert lane_design().modules == ["lane", "top"]
    assert lane_design().kept == ["lane"]
    assert lane_design(keep="", units={"it": "la.*"}).kept == ["lane"]
    with pytest.raises(ValueError, match=r"Unit 'it' of probe .* 'x\.\*', not \[\]"):
        lane_design(units={"it": "x.*"}).module_of("it")
    with pytest.raises(ValueError, match=r"not \['lane', 'top'\]"):
        lane_design(units={"it": ".*"}).module_of("it")
