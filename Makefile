# Thin on purpose: each target is one readable line. See README.md.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

BENCHMARKS := scgan_speed pan_speed pulse_speed propulse_speed dap_fsr_speed metric_suite ssim_speed niqe_speed frechet_kid loader_throughput synthface_rendering

.PHONY: demo test lint bench clean

demo: $(READY)  ## measure shipped SCGAN and PULSE beside bicubic, train a short run, print the leaderboard
	$(BIN)/python -m facesr_bench.demo

test: $(READY)  ## the whole test suite, on both cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(READY)  ## ruff and mypy
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy src/facesr_bench && $(BIN)/mypy methods datasets

bench: $(READY)  ## speed and memory; ratios, never a test
	for name in $(BENCHMARKS); do $(BIN)/python benchmarks/$$name.py || exit 1; done

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)
