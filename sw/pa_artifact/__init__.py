"""The ``.pa`` artifact: the one file that crosses from PyTorch to hardware.

A network of integers (weight codes, phi tables, thresholds, rescales) beside the float parameters
they came from, in one safetensors file.  :func:`write` makes a whole file or nothing; :func:`read`
trusts nothing, and every contradiction is one :class:`ArtifactError` of one line.
"""

from pa_artifact.formats import value_formats
from pa_artifact.network import ArtifactError, Network, Node
from pa_artifact.ranges import value_ranges
from pa_artifact.storage import SCHEMA, read, write
from pa_artifact.validate import validate

__all__ = [
    "SCHEMA",
    "ArtifactError",
    "Network",
    "Node",
    "read",
    "validate",
    "value_formats",
    "value_ranges",
    "write",
]
