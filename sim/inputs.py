"""What a bench inside the simulator reads from, and leaves in, the folder where it runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ARRAYS", "MEASURED", "SCALARS", "arrays", "measured", "scalars"]

SCALARS = "inputs.json"
ARRAYS = "inputs.npz"
MEASURED = "measured.json"


def scalars() -> dict[str, Any]:
    """Scalars of the bench, ``seed`` and ``stalls`` among them."""
    return json.loads(Path(SCALARS).read_text())


def arrays() -> dict[str, NDArray[np.int64]]:
    """Arrays of the bench."""
    with np.load(ARRAYS) as file:
        return {name: file[name] for name in file.files}


def measured(**values: Any) -> None:
    """Add to what the bench measured; ``cycles`` goes into the report."""
    path = Path(MEASURED)
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **values}))
