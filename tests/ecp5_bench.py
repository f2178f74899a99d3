"""Device cells of the ECP5 against their portable forms: proofs, and runs under Icarus Verilog."""

import subprocess
from pathlib import Path

import pa_hdl.cells
from hw.flow import run_yosys
from hw.targets import TARGETS
from pa_hdl.emit import ModuleLibrary

OURS = Path(pa_hdl.cells.__file__).with_name("ecp5.v")
MODELS = {"ours": str(OURS), "yosys": TARGETS["ecp5"].primitives}


def verilog_of(component, name):
    library = ModuleLibrary(prefix=name)
    library.add_top(component)
    return library.verilog()


def prove_equal(pairs, model, folder, *, change=("", "")):
    """Prove each pair of combinational components equal, with one model of the cells.

    ``change`` replaces text in the Verilog of the second ones.
    """
    names = []
    for side, components in zip(("portable", "device"), zip(*pairs, strict=True), strict=True):
        library = ModuleLibrary(prefix=side)
        for component in components:
            library.instance(component)
        text = library.verilog()
        (folder / f"{side}.v").write_text(text.replace(*change) if side == "device" else text)
        found = {id(component): name for name, component in library.components.items()}
        names.append([found[id(component)] for component in components])
    script = [
        f"read_verilog -overwrite {MODELS[model]}",
        "read_verilog portable.v",
        "read_verilog device.v",
    ]
    script += ["hierarchy", "proc", "flatten"]
    for portable, device in zip(*names, strict=True):
        script.append(f"miter -equiv -flatten {portable} {device} miter_{device}")
        script.append(f"sat -verify -prove trigger 0 miter_{device}")
    run_yosys(script, folder, folder / "log")


def run_icarus(component, inputs, outputs, vectors, folder, *, models=OURS):
    """Values of the outputs after each clock edge, a row of inputs before it.

    ``inputs`` and ``outputs`` are ``(name, width)``.
    """
    text = verilog_of(component, "dut")
    width, wide = sum(w for _, w in inputs), sum(w for _, w in outputs)
    rows = []
    for vector in vectors:
        word, at = 0, 0
        for name, bits in inputs:
            word |= (vector[name] & ((1 << bits) - 1)) << at
            at += bits
        rows.append(f"{word:x}")
    (folder / "dut.v").write_text(text)
    (folder / "rows.mem").write_text("\n".join(rows))
    given = ", ".join(f"in_{name}" for name, _ in reversed(inputs))
    got = ", ".join(f"out_{name}" for name, _ in reversed(outputs))
    ports = [f".{name}(in_{name})" for name, _ in inputs if name in text]
    ports += [f".{name}(out_{name})" for name, _ in outputs]
    lines = [
        "module bench;",
        f"  reg [{width - 1}:0] rows [0:{len(rows) - 1}];",
        f"  reg [{width - 1}:0] row;",
        *(f"  wire [{bits - 1}:0] in_{name};" for name, bits in inputs),
        *(f"  wire [{bits - 1}:0] out_{name};" for name, bits in outputs),
        f"  wire [{wide - 1}:0] got = {{{got}}};",
        "  reg clk = 0;",
        f"  assign {{{given}}} = row;",
        f"  dut dut (.clk(clk), {', '.join(ports)});",
        "  integer at;",
        "  initial begin",
        '    $readmemh("rows.mem", rows);',
        f"    for (at = 0; at < {len(rows)}; at = at + 1) begin",
        "      row = rows[at]; #1 clk = 1; #1 clk = 0;",
        '      #1 $display("%h", got);',
        "    end",
        "  end",
        "endmodule",
    ]
    (folder / "bench.v").write_text("\n".join(lines) + "\n")
    built = ["iverilog", "-g2005", "-o", "bench", "bench.v", "dut.v", str(models)]
    subprocess.run(built, cwd=folder, check=True)
    done = subprocess.run(["vvp", "-n", "bench"], cwd=folder, check=True, capture_output=True)
    found = []
    for line in done.stdout.decode().split():
        if "x" in line or "z" in line:
            found.append(None)
            continue
        word, values = int(line, 16), {}
        for name, bits in outputs:
            values[name] = word & ((1 << bits) - 1)
            word >>= bits
        found.append(values)
    return found
