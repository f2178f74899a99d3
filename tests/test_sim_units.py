import pytest

from sim.simulators import SIMULATORS
from sim.smoke import UNITS, UnitJob, main
from sim.unit import fields, lanes
from sim.unit_tb import TESTS
from sim.units_datapaths import DATAPATH_UNITS

NAME = next(name for name in ("icarus", "verilator") if SIMULATORS[name].available())


@pytest.fixture(scope="module")
def benches():
    return {
        unit: UnitJob(unit=unit, simulator=NAME, seed=1).benches()
        for unit in ("ram", "onehot_dot", "window")
    }


def test_every_unit_has_a_name():
    from sim.units_arithmetic import arithmetic_units
    from sim.units_engines import engine_units
    from sim.units_nodes import node_units
    from sim.units_streams import stream_units

    units = [*arithmetic_units(1), *stream_units(1), *node_units(1), *engine_units(1)]
    for unit in units:
        unit.component._MustUse__silence = True
    assert (*(unit.name for unit in units), *DATAPATH_UNITS) == UNITS


def test_handshakes_also_run_with_stalls(benches):
    assert [bench.stalls for bench in benches["ram"]] == [False]
    assert [bench.stalls for bench in benches["onehot_dot"]] == [False, True]


def test_units_run_the_one_test_without_a_configuration(benches):
    for bench in (bench for some in benches.values() for bench in some):
        assert bench.tests == TESTS
        assert bench.config is None
        assert bench.name.startswith("unit.")


def test_the_seed_decides_the_vectors(benches):
    again = UnitJob(unit="window", simulator=NAME, seed=1).benches()
    other = UnitJob(unit="window", simulator=NAME, seed=2).benches()
    assert again[0].scalars == benches["window"][0].scalars != other[0].scalars


def test_fields_are_packed_from_the_least_significant():
    assert lanes([1, -1, 0], 3) == 0b000_111_001
    assert fields((1, 1), (-2, 2), (3, 4)) == 0b0011_10_1


def test_no_unit_of_that_name_is_a_failure(capsys):
    assert main(["--only", "no-such-unit"]) == 1
    assert "no test collected" in capsys.readouterr().err
