"""Device cells of the 7-series against their portable forms."""

from pathlib import Path

import pa_hdl.cells
from hw.flow import run_yosys
from hw.targets import TARGETS
from pa_hdl.emit import ModuleLibrary

OURS = Path(pa_hdl.cells.__file__).with_name("xc7.v")
MODELS = {"ours": str(OURS), "yosys": TARGETS["xc7"].primitives}


def prove_equal(pairs, model, folder, *, change=("", "")):
    """Prove each pair of components equal for all inputs and times, with one model of the cells.

    ``change`` replaces text in the Verilog of the second ones. Induction over one cycle is enough:
    every register of these cells is an output.
    """
    names = []
    for side, components in zip(("portable", "device"), zip(*pairs, strict=True), strict=True):
        library = ModuleLibrary(prefix=side)
        for component in components:
            library.instance(component)
        text = library.verilog()
        changed = text.replace(*change) if side == "device" and change[0] else text
        (folder / f"{side}.v").write_text(changed)
        found = {id(component): name for name, component in library.components.items()}
        names.append([found[id(component)] for component in components])
    script = [f"read_verilog {MODELS[model]}", "read_verilog portable.v", "read_verilog device.v"]
    script += ["hierarchy", "proc", "flatten"]
    for portable, device in zip(*names, strict=True):
        script.append(f"miter -equiv -flatten {portable} {device} miter_{device}")
        script.append(f"sat -verify -tempinduct -prove trigger 0 miter_{device}")
    run_yosys(script, folder, folder / "log")
