# Thin targets: each calls a `python -m` entry point that a person can call too.
#
#   make setup        .venv with pinned versions (every other target depends on it)
#   make lint         ruff, mypy, import-linter
#   make test         pytest on both cores
#   make sim          trained layers, unit benches, a few engines and a whole network, in simulation
#   make sim-matrix   the whole matrix of engine shapes
#   make sim-datapaths
#                     trained layers with every datapath, in plain logic and in device cells
#   make network      a trained network: 64 images on Verilator, stalls and frames of wrong lengths,
#                     a small image on Icarus
#   make network-icarus
#                     the same network on 4 whole images on Icarus
#   make network-zoo [DATA=DIR]
#                     networks of other topologies, small, on noise or on images
#   make resnet18 [DATA=DIR]
#                     ResNet18 at 224x224, random weights
#   make mobilenet WEIGHTS=FILE.npz [DATA=DIR]
#                     MobileNet v1 1.0 at 64x64
#   make ladder DATA=DIR
#                     the embedded network in full precision, PA float, integers and hardware
#   make fifo-search  how much less than computed the FIFOs of a small network could hold
#   make synth        area, depth and latency through Yosys
#   make prove        every datapath equal to the paper's, by solver or simulation
#   make pnr          clock rates of whole engines, placed and routed on an ECP5
#   make explore      sweep of engines and dot products: tables and Pareto plots
#   make experiments FASHION=DIR CIFAR=DIR BUDGET=90m
#                     train what is missing of the accuracy tables, resumable
#   make tables       the paper's cost tables recomputed
#   make figures      the paper's figures, and accuracy against LUTs
#   make pretrained WEIGHTS=FILE.npz DATA=FOLDER_OR_TAR
#                     MobileNet v1 approximated without training
#   make bench        speed of training, side by side
#   make accuracy DATA=DIR
#                     accuracies of the embedded network on the 10,000 test images

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
STAMP := $(VENV)/.installed
DATA ?=
WEIGHTS ?=
FASHION ?=
CIFAR ?=
BUDGET ?= 90m
SEED ?= 1

export SEED

.PHONY: setup lint format test sim sim-matrix sim-datapaths network network-icarus network-zoo
.PHONY: resnet18 mobilenet
.PHONY: ladder fifo-search synth prove pnr explore bench accuracy clean
.PHONY: experiments tables figures pretrained
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

sim: network
	$(PY) -m sim.main
	$(PY) -m sim.smoke

sim-matrix: $(STAMP)
	$(PY) -m sim.matrix

NETWORK := $(PY) -m sim.network
RESNET8 := sim/data/resnet8.pa --data sim/data
WITH_DATA = $(if $(DATA),--data "$(DATA)")

sim-datapaths: $(STAMP)
	SIM=verilator $(PY) -m sim.main --datapath all --target generic --target xc7 --target ecp5 \
		--images 1

network: $(STAMP)
	$(NETWORK) $(RESNET8) --images 64 --fps 1500
	$(NETWORK) $(RESNET8) --images 8 --fps 1500 --stalls $(SEED)
	$(NETWORK) $(RESNET8) --images 8 --fps 1500 --bad-frames
	$(NETWORK) $(RESNET8) --images 1 --fps 8000 --crop 14x14 --simulator icarus

network-icarus: $(STAMP)
	$(NETWORK) $(RESNET8) --images 4 --fps 4000 --simulator icarus

# Each as fast as it can go, and once more with random stalls at both ends: the same model.
ZOO = $(NETWORK) $(1) $(WITH_DATA) && $(NETWORK) $(1) $(WITH_DATA) --stalls $(SEED)

network-zoo: $(STAMP)
	$(call ZOO,resnet18 --size 32 --width 8 --images 4 --fps 2000)
	$(call ZOO,bottleneck --images 4 --fps 2000)
	$(call ZOO,densenet --images 4 --fps 5000)
	$(call ZOO,mobilenet_v1 --size 32 --width 8 --images 4 --fps 2000)
	$(NETWORK) resnet20 --images 8 --fps 700 $(WITH_DATA)

resnet18: $(STAMP)
	$(NETWORK) resnet18 --size 224 --images 1 --fps 30 $(WITH_DATA)

mobilenet: $(STAMP)
	$(NETWORK) mobilenet_v1 --size 64 --weights "$(WEIGHTS)" --images 4 --fps 300 $(WITH_DATA)

ladder: $(STAMP)
	$(PY) -m sim.ladder sim/data/resnet8.pa --checkpoint sim/data/resnet8.pt --data "$(DATA)"

fifo-search: $(STAMP)
	$(PY) -m sim.fifo_search $(RESNET8) --crop 8x8 --fps 20000 --images 2

synth: $(STAMP)
	$(PY) -m hw.synth

prove: $(STAMP)
	$(PY) -m hw.prove

pnr: $(STAMP)
	$(PY) -m hw.pnr

explore: $(STAMP)
	$(PY) -m hw.explore

experiments: $(STAMP)
	$(PY) -m experiments run $(if $(FASHION),--fashion "$(FASHION)") \
		$(if $(CIFAR),--cifar "$(CIFAR)") --budget $(BUDGET)

tables: $(STAMP)
	$(PY) -m experiments.tables
	$(PY) -m experiments report

figures: $(STAMP)
	$(PY) -m experiments.figures
	$(PY) -m experiments.accuracy_per_lut

pretrained: $(STAMP)
	$(PY) -m pa_nn.pretrained --weights "$(WEIGHTS)" --images "$(DATA)"

bench: $(STAMP)
	$(PY) -m pa_nn.bench

accuracy: $(STAMP)
	@$(PY) -m pa_nn.accuracy $(if $(DATA),--data "$(DATA)")

clean:
	rm -rf build
