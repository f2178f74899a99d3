# Thin targets: each calls a `python -m` entry point that a person can call too.
#
#   make setup        .venv with pinned versions (every other target depends on it)
#   make lint         ruff, mypy, import-linter
#   make test         pytest on both cores
#   make sim          trained layers, unit benches and a few engines, in simulation
#   make sim-matrix   the whole matrix of engine shapes
#   make synth        area, depth and latency through Yosys
#   make bench        speed of training, side by side
#   make accuracy DATA=DIR
#                     accuracies of the embedded network on the 10,000 test images

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
STAMP := $(VENV)/.installed
DATA ?=
SEED ?= 1

export SEED

.PHONY: setup lint format test sim sim-matrix synth bench accuracy clean
.DELETE_ON_ERROR:

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt sw/check_host.sh
	@sh sw/check_host.sh "$(PYTHON)"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# One thread of PyTorch for each of the two workers: more would spin against each other.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 -q

sim: $(STAMP)
	$(PY) -m sim.main
	$(PY) -m sim.smoke

sim-matrix: $(STAMP)
	$(PY) -m sim.matrix

synth: $(STAMP)
	$(PY) -m hw.synth

bench: $(STAMP)
	$(PY) -m pa_nn.bench

accuracy: $(STAMP)
	@$(PY) -m pa_nn.accuracy $(if $(DATA),--data "$(DATA)")

clean:
	rm -rf build
