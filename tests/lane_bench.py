"""Lanes of a device against the portable one: proven when narrow, simulated when wide."""

import itertools
import subprocess
from pathlib import Path

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.flow import run_yosys
from hw.targets import TARGETS
from pa_hdl.emit import ModuleLibrary, add_submodule
from pa_hdl.popcount import AndPopcount, delay

CELLS = Path(__file__).resolve().parent.parent / "pa_hdl" / "cells"
"""Folder of our own models of device cells."""


class LaneMiter(wiring.Component):
    """A lane and the portable one, given the same operands."""

    def __init__(self, lane):
        self.lane = lane
        self.portable = AndPopcount(bits=lane.bits, exclusive=lane.exclusive)
        self.latency = max(lane.latency, self.portable.latency)
        super().__init__({"act": In(lane.bits), "weight": In(lane.bits), "same": Out(1)})

    module_name = "miter"

    @property
    def module_key(self):
        return type(self.lane), *self.lane.module_key

    def elaborate(self, platform):
        m = Module()
        answers = []
        for name, lane in (("lane", self.lane), ("portable", self.portable)):
            add_submodule(m, platform, name, lane)
            m.d.comb += [lane.act.eq(self.act), lane.weight.eq(self.weight)]
            answers.append(delay(m, name, lane.o, self.latency - lane.latency))
        m.d.comb += self.same.eq(answers[0] == answers[1])
        return m


def verilog_of(component, name):
    library = ModuleLibrary(prefix=name)
    library.add_top(component)
    return library.verilog()


def prove(lane, target, folder, *, own_models=False, edit=lambda text: text):
    """Prove a lane equal to the portable one, whatever its registers held; fail if it is not."""
    miter = LaneMiter(lane)
    models = CELLS / f"{target}.v" if own_models else TARGETS[target].primitives
    (folder / "miter.v").write_text(edit(verilog_of(miter, "miter")))
    # What the pipelines held at first has left them after so many cycles.
    when = f"-seq {miter.latency + 1} -prove-skip {miter.latency}"
    steps = [
        f"read_verilog -overwrite {models}",
        "read_verilog miter.v",
        "hierarchy -check -top miter",
        "proc",
        "setattr -unset init w:*",
        "flatten",
        "opt -full",
        "techmap",
        "async2sync",
        "dffunmap",
        "opt -full",
        f"sat {when} -set rst 0 -prove same 1 -verify miter",
    ]
    run_yosys(steps, folder, folder / "prove.log")


_BENCH = """
module bench;
  reg clk = 0;
  reg [{top}:0] act, weight;
  wire [{out}:0] o;
  integer cycle, bit, errors, count, sparse;
  integer expected [0:{cycles}];
  lane dut(.clk(clk), {reset}.act(act), .weight(weight), .o(o));
  initial begin
    errors = 0;
    for (cycle = 0; cycle < {cycles}; cycle = cycle + 1) begin
      count = 0;
      sparse = cycle % 5;
      for (bit = 0; bit < {bits}; bit = bit + 1) begin
        act[bit] = cycle == 0 || ($random & 7) > sparse;
        weight[bit] = cycle == 0 || ($random & 7) > sparse;
        count = count + (act[bit] {operator} weight[bit]);
      end
      expected[cycle] = count;
      #1 clk = 1;
      #1 clk = 0;
      if (cycle >= {wait} && o !== expected[cycle - {wait}]) errors = errors + 1;
    end
    $display("errors %0d", errors);
  end
endmodule
"""


def errors_in_simulation(lane, target, folder, *, cycles=300):
    """Wrong counts among random operands, dense and sparse, the first of them all set (Icarus)."""
    text = verilog_of(lane, "lane")
    bench = _BENCH.format(
        top=lane.bits - 1,
        out=len(lane.o) - 1,
        bits=lane.bits,
        operator="^" if lane.exclusive else "&",
        cycles=cycles,
        wait=lane.latency - 1,
        reset=".rst(1'b0), " if "input rst" in text else "",
    )
    sources = {"lane.v": text, "bench.v": bench}
    for name, content in sources.items():
        (folder / name).write_text(content)
    build = ["iverilog", "-g2005", "-o", "bench", *sources, str(CELLS / f"{target}.v")]
    subprocess.run(build, cwd=folder, check=True)
    ran = subprocess.run(["vvp", "bench"], cwd=folder, check=True, capture_output=True, text=True)
    return int(ran.stdout.split("errors ")[1])


def broken(text):
    """Verilog with one bit of the contents of one lookup flipped."""
    start = text.index("INIT")
    at = next(
        place
        for place in itertools.count(text.index("'h", start) + 2)
        if text[place] in "0123456789abcdef"
    )
    return f"{text[:at]}{int(text[at], 16) ^ 4:x}{text[at + 1 :]}"
