# Thin on purpose: each target is one readable line. See README.md.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PIP_FLAGS ?=
TORCH     ?=  # another pair than constraints.txt has: make test VENV=.venv-cpu TORCH='torch==2.13.0 torchvision==0.28.0'
PAIR      ?= 'torch>=2.14.1' 'torchvision>=0.29.1'
DIST      := loadfile
NAMED     ?= golden
TESTS     ?= tests/nets tests/metrics tests/core

CHECKED := $(filter-out images spandrel lanczos nearest,$(patsubst conf/method/%.yaml,%,$(wildcard conf/method/*.yaml)))
EXPERIMENTS := $(patsubst conf/experiment/%.yaml,%,$(sort $(wildcard conf/experiment/*/table*.yaml conf/experiment/*/figure*.yaml)))

.PHONY: demo test mutants test-isa check lint bench bands tables experiments-smoke test-newest test-oldest test-wheel clean

demo: $(READY)  ## measure shipped SCGAN and PULSE beside bicubic, train a short run, print the leaderboard
	$(BIN)/python -m facesr_bench.demo

test: $(READY)  ## the whole test suite, on both cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist $(DIST)

test-isa: $(READY)  ## tests with "golden" in their names as older processors compute: SSE4.1, AVX2, then all this one has; NAMED= for all tests
	OMP_NUM_THREADS=1 ONEDNN_MAX_CPU_ISA=SSE41 ATEN_CPU_CAPABILITY=default $(BIN)/python -m pytest -n 2 --dist $(DIST) -k "$(NAMED)"
	OMP_NUM_THREADS=1 ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 $(BIN)/python -m pytest -n 2 --dist $(DIST) -k "$(NAMED)"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist $(DIST) -k "$(NAMED)"

check: $(READY)  ## what facesr-bench check asks of every method and make test leaves out: training again, two processes, the paper's size
	printf '%s\n' $(CHECKED) | OMP_NUM_THREADS=1 xargs -P 2 -I METHOD $(BIN)/facesr-bench check +method=METHOD --only overfit resume ranks flops

lint: $(READY)  ## ruff and mypy
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy src/facesr_bench && $(BIN)/mypy methods datasets

bench: $(READY)  ## speed and memory; ratios, never a test
	$(BIN)/python benchmarks/bench.py

mutants: $(READY)  ## plant the faults of tests/mutants, one by one: does a test notice each? half an hour on two cores
	OMP_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python -m mutants

bands: $(READY)  ## does each method still learn as recorded in docs/bands? minutes of CPU
	OMP_NUM_THREADS=1 $(BIN)/python -m facesr_bench.bands

test-oldest:  ## the tests on the oldest versions pyproject.toml allows, fifteen minutes; pip cannot choose these, uv can
	python3.11 -m venv .venv-oldest && .venv-oldest/bin/python -m pip install --quiet 'uv>=0.4'
	.venv-oldest/bin/uv pip install --quiet --python .venv-oldest --resolution lowest-direct --editable '.[dev]'
	OMP_NUM_THREADS=1 .venv-oldest/bin/python -m pytest -n 2 --dist $(DIST)

test-newest: $(READY)  ## the wheel with the newest versions of everything, which no cap of pip's holds back; says which are new if it fails
	rm -rf .venv-newest && $(PYTHON) -m venv .venv-newest && .venv-newest/bin/python -m pip install --quiet 'uv>=0.4'
	$(BIN)/python -m build --wheel --no-isolation --outdir .venv-newest/dist .
	.venv-newest/bin/uv pip install --quiet --python .venv-newest --resolution highest "$$(echo .venv-newest/dist/*.whl)[dev]"
	{ .ci/tour .venv-newest/bin && OMP_NUM_THREADS=1 .venv-newest/bin/python -m pytest -n 2 --dist $(DIST); } || { .venv-newest/bin/facesr-bench doctor; exit 1; }

test-wheel: $(READY)  ## the wheel in a fresh environment with a current pair of torch and torchvision, away from the checkout; PAIR='--constraint constraints-oldest.txt': the oldest versions
	rm -rf .venv-wheel && $(PYTHON) -m venv .venv-wheel && .venv-wheel/bin/python -m pip install --quiet 'pip>=25'
	$(BIN)/python -m build --wheel --no-isolation --outdir .venv-wheel/dist .
	.venv-wheel/bin/python -m pip install --quiet $(PIP_FLAGS) $(PAIR) .venv-wheel/dist/*.whl
	.ci/tour .venv-wheel/bin
	.venv-wheel/bin/python -m pip install --quiet $(PIP_FLAGS) $(PAIR) "$$(echo .venv-wheel/dist/*.whl)[dev]"
	OMP_NUM_THREADS=1 .venv-wheel/bin/python -m pytest -n 2 --dist $(DIST) $(TESTS)

tables: $(READY)  ## the README's tables, from the records in docs/records
	$(BIN)/python -m facesr_bench.leaderboard.readme

experiments-smoke: $(READY)  ## every table of every paper on tiny data, in runs/<paper>-smoke
	for name in $(EXPERIMENTS); do $(BIN)/python -m facesr_bench -m experiment=$$name scale=smoke || exit 1; done

clean:
	rm -rf $(VENV) .venv-* runs .pytest_cache .mypy_cache .ruff_cache

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet 'pip>=25'
	printf '%s\n' $(TORCH) | cat - constraints.txt | awk -F== '!seen[$$1]++' > $(VENV)/constraints.txt
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) --constraint $(VENV)/constraints.txt --editable '.[dev]'
	touch $(READY)
