"""Models of the device cells that hardware places, as simulators need them."""

import re
from functools import cache
from importlib import resources

__all__ = ["cell_models", "models_for"]

_MODULE = re.compile(r"^module (\w+)", re.MULTILINE)


@cache
def cell_models(target: str) -> str:
    """Verilog of the cells of a target; nothing where hardware places none."""
    path = resources.files("pa_hdl").joinpath("cells", f"{target}.v")
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def models_for(verilog: str, target: str) -> str:
    """:func:`cell_models` if the text places any of them, nothing otherwise."""
    models = cell_models(target)
    placed = set(re.findall(r"^\s*(\w+) (?:#\(|\w+ \()", verilog, re.MULTILINE))
    return models if placed & set(_MODULE.findall(models)) else ""
