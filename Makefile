# Everything here calls plain tools in .venv; `make setup` builds it from requirements/dev.lock.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
VENV2 := .venv-duckdb2
BIN2 := $(VENV2)/bin
STAMP2 := $(VENV2)/.ready

# What has to hold on DuckDB 2 as well: the engine, its client's API, and reuse from end to end under the eager policy.
DUCKDB2_TESTS = $(sort $(wildcard tests/*/test_duckdb*.py tests/*/test_*engine*.py tests/*/test_*eager*.py \
	tests/*/test_transparency*.py))

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-duckdb2 check format bench fuzz coverage wheel-check lock clean

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## Create .venv with everything that development needs.

$(STAMP): pyproject.toml requirements/dev.lock
	.ci/make_venv.sh $(VENV) requirements/dev.lock
	@touch $@

$(STAMP2): pyproject.toml requirements/duckdb2.lock
	.ci/make_venv.sh $(VENV2) requirements/duckdb2.lock
	@touch $@

demo: $(STAMP)  ## Show reuse at work on generated data.
	$(BIN)/respool demo

test: $(STAMP)  ## Run all tests.
	$(BIN)/python -m pytest

test-duckdb2: $(STAMP) $(STAMP2)  ## Run the engine's and the eager tests on DuckDB 2.
ifeq ($(DUCKDB2_TESTS),)
	@echo "no tests of the engine found: expected tests/*/test_*engine*.py or the like"; exit 1
else
	@# DuckDB 2 has no generator of TPC-DS: it reads what 1.5 wrote.
	$(BIN)/python -m benchmarks tpcds --sf 0.1 --export-parquet
	$(BIN2)/python -m pytest $(DUCKDB2_TESTS)
endif

check: $(STAMP)  ## Formatting, lint, types, direction of imports.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)  ## Format, and correct what ruff can.
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(STAMP)  ## TPC-DS with and without reuse, side by side; ARGS are passed on.
	$(BIN)/python -m benchmarks tpcds $(ARGS)

fuzz: $(STAMP)  ## Random programs, plain and wrapped, until they differ; ARGS are passed on.
	$(BIN)/python -m tests.support.fuzz $(ARGS)

coverage: $(STAMP)  ## Run all tests and show the lines that none of them reached.
	$(BIN)/python -m pytest --cov

wheel-check: $(STAMP)  ## Build the wheel, install it elsewhere, use it.
	.ci/wheel_check.sh $(BIN)/python

lock: $(STAMP)  ## Resolve the lock files anew, for every supported Python.
	$(BIN)/python -m pip install --quiet "uv>=0.8"
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev \
		--no-emit-package respool --custom-compile-command "make lock" \
		--output-file requirements/dev.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra duckdb --extra test \
		--no-emit-package respool --custom-compile-command "make lock" \
		--output-file requirements/duckdb2.lock pyproject.toml requirements/duckdb2.in

clean:  ## Remove what the targets above made.
	rm -rf $(VENV) $(VENV2) dist .coverage htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis
