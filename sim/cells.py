"""Models of the device cells that hardware places, as simulators need them."""

from functools import cache
from pathlib import Path

import pa_hdl

__all__ = ["cell_models"]


@cache
def cell_models(target: str) -> str:
    """Verilog of the cells of a target; nothing where hardware places none."""
    path = Path(pa_hdl.__file__).parent / "cells" / f"{target}.v"
    return path.read_text(encoding="utf-8") if path.exists() else ""
