"""A small design, and a stand-in for nextpnr that does what its mode says."""

import json
import stat
import sys

from hw.flow import Design

VERILOG = """
module counter(input clk, input rst, input [3:0] step, output reg [7:0] count, output odd);
  assign odd = count[0];
  always @(posedge clk) if (rst) count <= 0; else count <= count + step;
endmodule
"""

DESIGN = Design(
    name="counter", top="counter", verilog=VERILOG, memories={}, units={"engine": "counter"},
    keep="",
)  # fmt: skip

FAKE = """#!{python}
import json, sys, time
options = sys.argv[1:]
if "--version" in options:
    print("nextpnr-ecp5 -- (Version stand-in-1)")
    sys.exit()
seed = int(options[options.index("--seed") + 1])
log = open(options[options.index("--log") + 1], "w")
mode = {modes}.get(seed, "good")
if mode == "full":
    print("Info: \\t TRELLIS_COMB:   90000/  83640   107%", file=log)
    print("ERROR: Unable to place cell 'x', no BELs remaining", file=log)
    sys.exit(255)
if mode == "error":
    print("ERROR: something that nobody expected", file=log)
    sys.exit(255)
if mode == "crash":
    sys.exit(139)
if mode == "slow":
    time.sleep(60)
report = options[options.index("--report") + 1]
text = "half a rep" if mode == "garbage" else json.dumps({report})
open(report, "w").write(text)
"""

_END = {"cell": "dut.count_TRELLIS_FF_Q", "loc": [1, 2], "port": "DI"}

REPORT = {
    "fmax": {"clk": {"achieved": 251.234, "constraint": 300}},
    "utilization": {
        "TRELLIS_COMB": {"used": 30, "available": 83640},
        "DP16KD": {"used": 0, "available": 208},
    },
    "critical_paths": [
        {
            "from": "posedge clk",
            "to": "posedge clk",
            "path": [
                {"type": "clk-to-q", "delay": 0.4, "from": _END, "to": _END},
                {"type": "routing", "delay": 1.1, "from": _END, "to": _END},
                {"type": "setup", "delay": 0.1, "from": _END, "to": _END},
            ],
        }
    ],
    "detailed_net_timings": [
        {"endpoints": [{"cell": _END["cell"], "delay": [1, 1.5], "event": "posedge clk"}]}
    ],
}


def fake_tool(folder, modes=None):
    """Path of a stand-in whose runs go well, except those of the seeds in ``modes``."""
    path = folder / "nextpnr-ecp5"
    path.write_text(
        FAKE.replace("{python}", sys.executable)
        .replace("{modes}", repr(modes or {}))
        .replace("json.dumps({report})", f"json.dumps(json.loads({json.dumps(REPORT)!r}))")
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)
