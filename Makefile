# topokit: `make help` lists what there is. Everything is installed into .venv at pinned versions.

# The versions of Python for which all pinned packages have wheels.
SUITABLE := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
	$(p) -c '$(SUITABLE)' 2>/dev/null && echo $(p))))
BIN := .venv/bin
# mkdocs 2 has other plugins; the version here is pinned.
export NO_MKDOCS_2_WARNING := 1
# These would send packages elsewhere than into .venv.
unexport PIP_USER PIP_TARGET PIP_PREFIX
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
FIGURES := $(filter-out analyses/_%,$(sort $(wildcard analyses/*.py)))
BENCHMARKS := $(filter-out analyses/benchmarks/_%,$(sort $(wildcard analyses/benchmarks/*.py)))

# Files in their own order: by default those of few tests go last, and the longest are among them.
TESTS := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m 'not interop'
# Tests that need other people's frameworks. PyTorch's ordinary build for Linux is of several GB: where
# an index has none for the CPU, make interop TORCH=torch takes that.
INTEROP := tests/interop $(addprefix tests/test_,$(addsuffix .py,names examples docs from_weights \
	weight_formats)) -m interop
TORCH := torch==$(shell sed -n 's/^torch==//p' constraints.txt)$(if $(filter Linux,$(shell uname)),+cpu)
FRAMEWORKS := $(TORCH) flax jax2onnx onnxruntime
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
# A check says one line; what it printed is shown where it fails.
CHECKED = said=$$($(BIN)/$(1) 2>&1) && echo 'passed: $(1)' || \
	{ printf '%s\n' "$$said" 'FAILED: $(1)'; exit 1; }

.DEFAULT_GOAL := help
.PHONY: help rank test interop check wheel lowest newest bench docs figures clean
.PHONY: types site lint format quick

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

rank: .venv/.core ## Rank the default topologies by reconstruction loss into ./ranking
	$(BIN)/topokit rank

test: .venv/.dev ## Run the tests
	@OPENBLAS_NUM_THREADS=1 $(BIN)/pytest $(TESTS)

interop: .venv/.interop ## Run the tests with other people's frameworks: PyTorch, Flax, ONNX
	@test ! -e $< || { $(call CHECKED,pyright -p tests/interop/types.json --pythonpath $(BIN)/python); }
	@OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4 $(INTEROP)

check: .venv/.dev ## Lint, check types, build the docs strictly, run every analysis quickly
	@$(BIN)/python tests/spent.py $(MAKE) --no-print-directory --keep-going --jobs $(CORES) \
		types site lint format quick

types: ; @$(call CHECKED,pyright --pythonpath $(BIN)/python)
site:
	@$(call CHECKED,mkdocs build --quiet --strict --config-file docs/tools/mkdocs.yml)
	@$(call CHECKED,python tests/tools/try_search.py)
lint: ; @$(call CHECKED,ruff check)
format: ; @$(call CHECKED,ruff format --check)
quick: ; @$(BIN)/python analyses/_quick.py

wheel: .venv/.core ## Build the wheel, try it in an environment of its own
	@$(BIN)/python tests/spent.py $(BIN)/python tests/tools/try_wheel.py

lowest: ## Run the tests at the lowest versions allowed: make lowest PYTHON=python3.11
newest: ## Run the tests at the newest versions there are: make newest PYTHON=python3.13
lowest newest:
	"$(PYTHON)" -m venv --clear build/$@
	$(if $(filter lowest,$@),"$(PYTHON)" tests/tools/lowest.py,:) > build/$@/constraints.txt
	build/$@/bin/python -m pip install --quiet --constraint build/$@/constraints.txt \
		--editable '.[test]'
	OPENBLAS_NUM_THREADS=1 build/$@/bin/python -m pytest $(TESTS)

bench: .venv/.bench ## Run every benchmark
	$(foreach script,$(BENCHMARKS),$(BIN)/python $(script) &&) true

docs: .venv/.dev ## Build the documentation into ./site
	$(BIN)/mkdocs build --strict --config-file docs/tools/mkdocs.yml

figures: .venv/.dev ## Make every figure again
	$(foreach script,$(FIGURES),$(BIN)/python $(script) &&) true

clean: ## Remove what the other commands made, the virtual environment included
	rm -rf .venv build dist site ranking .pytest_cache .ruff_cache .hypothesis
	find topokit analyses tests docs -name __pycache__ -prune -exec rm -rf {} +

# An install that was interrupted leaves .unfinished behind; the next one then starts afresh.
.venv/.core: pyproject.toml constraints.txt
	@"$(or $(PYTHON),false)" -c '$(SUITABLE)' 2>/dev/null || { echo "The pinned packages need" \
		"Python 3.11 to 3.14: make PYTHON=/path/to/python3" >&2; exit 1; }
	@test ! -e .venv/.unfinished || rm -rf .venv
	@echo "Installing topokit into .venv (a minute or two)"
	@mkdir -p .venv && touch .venv/.unfinished
	@"$(PYTHON)" -m venv .venv
	@$(PIP) hatchling editables
	@$(PIP) --no-build-isolation --editable '.[networks,report]'
	@mv .venv/.unfinished $@

.venv/.dev: .venv/.core
	@echo "Installing what tests, checks and docs need into .venv"
	@mv .venv/.core .venv/.unfinished
	@$(PIP) --no-build-isolation --editable '.[dev]'
	@mv .venv/.unfinished .venv/.core
	@touch $@

# What cannot be had for this Python is left out, its tests are skipped, and the next call tries again.
.venv/.interop: .venv/.dev
	@echo "Installing $(FRAMEWORKS) into .venv"
	@mv .venv/.core .venv/.unfinished
	@missing=; for wanted in $(FRAMEWORKS); do $(PIP) "$$wanted" >/dev/null 2>&1 || { missing=$$wanted; \
		echo "There is no $$wanted for this Python, or no way to it: its tests are skipped"; }; \
		done; test -n "$$missing" || touch $@
	@mv .venv/.unfinished .venv/.core

.venv/.bench: .venv/.dev
	@echo "Installing what benchmarks compare with into .venv (PyTorch is large)"
	@mv .venv/.core .venv/.unfinished
	@$(PIP) --no-build-isolation --editable '.[bench]'
	@mv .venv/.unfinished .venv/.core
	@touch $@
