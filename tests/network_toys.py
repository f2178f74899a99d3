"""Accelerators of a few lines, and runs of them, for tests of the bench of whole networks."""

from pathlib import Path

import numpy as np

from sim.build import BUILDS, Design
from sim.network_build import build_network
from sim.network_harness import Port, Stimulus
from sim.network_run import simulate
from sim.simulators import SIMULATORS

# Icarus is the quicker one to build for.
SIMULATOR = next(
    SIMULATORS[name] for name in ("icarus", "verilator") if SIMULATORS[name].available()
)
PORT = Port(channels=4, height=3, width=2, lanes=2, bits=5, signed=True, beats=12)
IMAGES = np.random.default_rng(1).integers(-16, 16, (3, 4, 3, 2))

_PASSING = """
module passing(
  input clk, input rst,
  input [15:0] s_axis_tdata, input s_axis_tvalid, output s_axis_tready, input s_axis_tlast,
  output [15:0] m_axis_tdata, output m_axis_tvalid, input m_axis_tready, output m_axis_tlast,
  output reg frame_short, output reg frame_long
);
  // Every beat comes out again, one cycle later; a frame is made to have 12.
  reg [3:0] beat;
  reg [15:0] data, sent;
  reg valid, dropping, filling;
  wire due = beat == 11;
  wire move = !valid | m_axis_tready;
  wire take = s_axis_tvalid & s_axis_tready & !dropping;
  assign s_axis_tready = move & !filling;
  assign m_axis_tdata = {fault_data};
  assign m_axis_tvalid = {fault_valid};
  assign m_axis_tlast = {fault_last};
  reg last;
  initial sent = 0;
  always @(posedge clk)
    if (rst) begin
      valid <= 0; beat <= 0; dropping <= 0; filling <= 0; frame_short <= 0; frame_long <= 0;
    end else begin
      if (m_axis_tvalid & m_axis_tready) sent <= sent + 1;
      if (s_axis_tvalid & s_axis_tready & dropping & s_axis_tlast) dropping <= 0;
      if (move) begin
        valid <= take | filling;
        data <= s_axis_tdata & 16'h03ff;
        last <= due;
        if (take | filling) beat <= due ? 0 : beat + 1;
        if (filling & due) filling <= 0;
        if (take & s_axis_tlast & !due) begin filling <= 1; frame_short <= {fault_flag}; end
        if (take & !s_axis_tlast & due) begin dropping <= 1; frame_long <= 1; end
      end
    end
endmodule
"""


def passing(*, data="data", valid="valid", last="last", flag="1"):
    """Gives back what it gets, unless one of its expressions is changed."""
    text = _PASSING
    for name, value in (("data", data), ("valid", valid), ("last", last), ("flag", flag)):
        text = text.replace(f"{{fault_{name}}}", value)
    return Design(top="passing", verilog=text)


def stimulus(**given):
    return Stimulus(**{"frames": 5, "stored": len(IMAGES), "patience": 500, **given})


def run(design, given=None, *, simulator=SIMULATOR, name="toy"):
    """What comes of a toy, and what is wrong with it."""
    given = given or stimulus()
    model = build_network(design, PORT, PORT, simulator, images=len(IMAGES))
    files = given.memories(PORT, PORT, IMAGES, IMAGES)
    folder = Path(BUILDS / "runs" / f"{name}-{simulator.name}").resolve()
    result = simulate(model, given, {**design.memories, **files}, folder, name=name)
    return result, [*result.problems, *result.findings.problems(given, PORT, PORT)]
