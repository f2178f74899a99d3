"""The AND-popcount lane of each target."""

from pa_hdl.cells.popcount_ecp5 import Ecp5AndPopcount
from pa_hdl.cells.popcount_luts import LutAndPopcount
from pa_hdl.cells.popcount_xc7 import Xc7AndPopcount
from pa_hdl.popcount import AndPopcount

__all__ = ["LANES"]

LANES: dict[str, type[AndPopcount]] = {
    "generic": LutAndPopcount,
    "xc7": Xc7AndPopcount,
    "ecp5": Ecp5AndPopcount,
    "ice40": AndPopcount,
}
"""Lane of each target that :class:`~pa_hdl.config.EngineConfig` accepts."""
