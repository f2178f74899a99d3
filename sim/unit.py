"""What a unit bench is made of: a component, what goes in, what should come out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pa_hdl.cells.models import cell_models
from pa_hdl.emit import ModuleLibrary
from sim.build import Design
from sim.engine_bench import derived_seed
from sim.runner import Bench
from sim.simulators import Simulator
from sim.unit_tb import TESTS

__all__ = ["Unit", "fields", "get", "lanes", "put", "unit_benches"]

Items = Mapping[str, Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One component with vectors for :mod:`sim.unit_tb`.

    Parameters
    ----------
    name : :class:`str`
        What the report calls it, behind ``unit.``.
    component : :class:`amaranth.lib.wiring.Component`
        The component, written as it stands in an engine.
    puts, gets : sequence of :class:`dict`
        From :func:`put` and :func:`get`.
    constants : mapping of :class:`str` to :class:`int`
        Ports that do not change.
    stalls : :class:`bool`
        Whether it has a handshake, so that it also runs with stalls.
    target : :class:`str`
        Device whose cells it places.
    """

    name: str
    component: Any
    puts: Sequence[dict[str, Any]]
    gets: Sequence[dict[str, Any]]
    constants: Mapping[str, int] = field(default_factory=dict)
    stalls: bool = False
    target: str = "generic"


def put(
    items: Items,
    *,
    valid: Iterable[str] = (),
    ready: str | None = None,
    gate: str | None = None,
    count: int | None = None,
) -> dict[str, Any]:
    """Items for ports; see :mod:`sim.unit_tb`. ``count`` is for a handshake without payload."""
    sizes: set[int | None] = {len(values) for values in items.values()} or {count}
    [size] = sizes
    return {
        "items": dict(items),
        "valid": list(valid),
        "ready": ready,
        "gate": gate,
        "count": size,
    }


def get(
    items: Items,
    *,
    valid: Iterable[str] = (),
    ready: str | None = None,
    delay: int = 0,
    masks: Items | None = None,
) -> dict[str, Any]:
    """Items expected at ports, only the bits of their masks."""
    return {
        "items": dict(items),
        "masks": dict(masks or {}),
        "valid": list(valid),
        "ready": ready,
        "delay": delay,
    }


def lanes(values: Iterable[int], bits: int) -> int:
    """Equal fields side by side, the first least significant."""
    return fields(*((value, bits) for value in values))


def fields(*values: tuple[int, int]) -> int:
    """Fields (value, bits) side by side, the first least significant."""
    word = at = 0
    for value, bits in values:
        word |= (int(value) & ((1 << bits) - 1)) << at
        at += bits
    return word


def unit_benches(unit: Unit, simulator: Simulator, seed: int) -> list[Bench]:
    """Its run without stalls and, where it has a handshake, with stalls."""
    library = ModuleLibrary(prefix="unit")
    library.add_top(unit.component)
    verilog = library.verilog() + cell_models(unit.target)
    design = Design(top="unit", verilog=verilog, memories=library.memories)
    items = sum(spec["count"] for spec in unit.puts)
    return [
        Bench(
            name=f"unit.{unit.name}",
            module="sim.unit_tb",
            tests=TESTS,
            design=design,
            simulator=simulator,
            seed=derived_seed(seed, unit.name),
            stalls=stalls,
            scalars={
                "constants": dict(unit.constants),
                "puts": list(unit.puts),
                "gets": list(unit.gets),
                "cycles": 2000 + 40 * items,
            },
        )
        for stalls in ((False, True) if unit.stalls else (False,))
    ]
