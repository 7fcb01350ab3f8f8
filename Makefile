# topokit: `make help` lists what there is. Everything is installed into .venv at pinned versions.

PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(shell \
	$(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
BIN := .venv/bin
# mkdocs 2 has other plugins; the version here is pinned.
export NO_MKDOCS_2_WARNING := 1
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
FIGURES := $(filter-out analyses/_%,$(sort $(wildcard analyses/*.py)))
BENCHMARKS := $(filter-out analyses/benchmarks/_%,$(sort $(wildcard analyses/benchmarks/*.py)))

CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
# Commands side by side; what one printed is shown where it fails.
SIDE_BY_SIDE := xargs -P $(CORES) -I COMMAND sh -c 'said=$$($(BIN)/COMMAND 2>&1) && \
	echo "passed: COMMAND" || { printf "%s\n" "$$said" "FAILED: COMMAND"; exit 1; }'

.DEFAULT_GOAL := help
.PHONY: help rank test check bench docs figures clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

rank: .venv/.core ## Rank the default topologies by reconstruction loss into ./ranking
	$(BIN)/topokit rank

test: .venv/.dev ## Run the tests
	@OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4

check: .venv/.dev ## Lint, check types, build the docs strictly, run every analysis quickly
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	@{ echo 'pyright --pythonpath $(BIN)/python'; \
		echo 'mkdocs build --quiet --strict --config-file docs/tools/mkdocs.yml'; \
		echo 'python docs/tools/coverage.py'; \
		printf 'python %s --quick\n' $(FIGURES) $(BENCHMARKS); } | $(SIDE_BY_SIDE)

bench: .venv/.bench ## Run every benchmark
	$(foreach script,$(BENCHMARKS),$(BIN)/python $(script) &&) true

docs: .venv/.dev ## Build the documentation into ./site
	$(BIN)/mkdocs build --strict --config-file docs/tools/mkdocs.yml

figures: .venv/.dev ## Make every figure again
	$(foreach script,$(FIGURES),$(BIN)/python $(script) &&) true

clean: ## Remove what the other commands made, the virtual environment included
	rm -rf .venv site ranking dist .pytest_cache .ruff_cache .hypothesis
	find topokit analyses tests docs -name __pycache__ -prune -exec rm -rf {} +

# An install that was interrupted leaves .unfinished behind; the next one then starts afresh.
.venv/.core: pyproject.toml constraints.txt
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "topokit needs Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	@test ! -e .venv/.unfinished || rm -rf .venv
	@echo "Installing topokit into .venv (a minute or two)"
	@$(PYTHON) -m venv .venv
	@touch .venv/.unfinished
	@$(PIP) hatchling editables
	@$(PIP) --no-build-isolation --editable .
	@mv .venv/.unfinished $@

.venv/.dev: .venv/.core
	@echo "Installing what tests, checks and docs need into .venv"
	@mv .venv/.core .venv/.unfinished
	@$(PIP) --no-build-isolation --editable '.[dev]'
	@mv .venv/.unfinished .venv/.core
	@touch $@

.venv/.bench: .venv/.dev
	@echo "Installing what benchmarks compare with into .venv (PyTorch is large)"
	@mv .venv/.core .venv/.unfinished
	@$(PIP) --no-build-isolation --editable '.[bench]'
	@mv .venv/.unfinished .venv/.core
	@touch $@
