"""The sum of table lookups of each target."""

from __future__ import annotations

from pa_hdl.datapaths.table_sum import PortableTableSum, TableSum
from pa_hdl.datapaths.table_sum_ecp5 import Ecp5TableSum
from pa_hdl.datapaths.table_sum_xc7 import Xc7TableSum

__all__ = ["TABLE_SUMS"]

TABLE_SUMS: dict[str, type[TableSum]] = {
    "generic": PortableTableSum,
    "xc7": Xc7TableSum,
    "ecp5": Ecp5TableSum,
    "ice40": PortableTableSum,
}
"""Hardware for each target that :class:`~pa_hdl.config.EngineConfig` accepts."""
