# Thin on purpose: each target is one readable line. See README.md.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PIP_FLAGS   ?=
CONSTRAINTS ?= constraints.txt
DIST        := loadfile
TESTS       ?= tests/core tests/metrics tests/degradations

CHECKED := $(filter-out images spandrel lanczos nearest,$(patsubst conf/method/%.yaml,%,$(wildcard conf/method/*.yaml)))
EXPERIMENTS := $(patsubst conf/experiment/%.yaml,%,$(sort $(wildcard conf/experiment/*/table*.yaml)))

.PHONY: demo test check lint bench bands tables experiments-smoke test-oldest test-wheel clean

demo: $(READY)  ## measure shipped SCGAN and PULSE beside bicubic, train a short run, print the leaderboard
	$(BIN)/python -m facesr_bench.demo

test: $(READY)  ## the whole test suite, on both cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist $(DIST)

check: $(READY)  ## what facesr-bench check asks of every method and make test leaves out: training again, two processes, the paper's size
	printf '%s\n' $(CHECKED) | OMP_NUM_THREADS=1 xargs -P 2 -I METHOD $(BIN)/facesr-bench check +method=METHOD --only overfit resume ranks flops

lint: $(READY)  ## ruff and mypy
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy src/facesr_bench && $(BIN)/mypy methods datasets

bench: $(READY)  ## speed and memory; ratios, never a test
	$(BIN)/python benchmarks/bench.py

bands: $(READY)  ## does each method still learn as recorded in docs/bands? minutes of CPU
	OMP_NUM_THREADS=1 $(BIN)/python -m facesr_bench.bands

test-oldest:  ## the tests on the oldest versions pyproject.toml allows, fifteen minutes; pip cannot choose these, uv can
	python3.11 -m venv .venv-oldest && .venv-oldest/bin/python -m pip install --quiet 'uv>=0.4'
	.venv-oldest/bin/uv pip install --quiet --python .venv-oldest --resolution lowest-direct --editable '.[dev]'
	OMP_NUM_THREADS=1 .venv-oldest/bin/python -m pytest -n 2 --dist $(DIST)

test-wheel: $(READY)  ## the wheel in a fresh environment, away from the checkout; CONSTRAINTS=constraints-oldest.txt: and the oldest versions
	rm -rf .venv-wheel && $(PYTHON) -m venv .venv-wheel && .venv-wheel/bin/python -m pip install --quiet 'pip>=25'
	$(BIN)/python -m build --wheel --no-isolation --outdir .venv-wheel/dist .
	.venv-wheel/bin/python -m pip install --quiet $(PIP_FLAGS) --constraint $(CONSTRAINTS) .venv-wheel/dist/*.whl
	cd $$(mktemp -d) && $(CURDIR)/.venv-wheel/bin/facesr-bench +method=scgan +data=tiny scale=smoke trainer=cpu output_dir=out
	.venv-wheel/bin/python -m pip install --quiet $(PIP_FLAGS) --constraint $(CONSTRAINTS) "$$(echo .venv-wheel/dist/*.whl)[dev]"
	OMP_NUM_THREADS=1 .venv-wheel/bin/python -m pytest -n 2 --dist $(DIST) $(TESTS)

tables: $(READY)  ## the README's tables, from the records in docs/records
	$(BIN)/python -m facesr_bench.leaderboard.readme

experiments-smoke: $(READY)  ## every table of every paper on tiny data, in runs/<paper>-smoke
	for name in $(EXPERIMENTS); do $(BIN)/python -m facesr_bench -m experiment=$$name scale=smoke || exit 1; done

clean:
	rm -rf $(VENV) .venv-* runs .pytest_cache .mypy_cache .ruff_cache

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet 'pip>=25'
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) --constraint constraints.txt --editable '.[dev]'
	touch $(READY)
