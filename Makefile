# `make demo` and `make test` do all of their own set-up; they need git, make and Python 3.11+.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c 'import sys; assert sys.version_info >= (3, 11)' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint image image-test clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1	/' | expand -t 20

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer found; give one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Creating $(VENV) with $(PYTHON)"
	@"$(PYTHON)" -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "Installing boldglm (once, a minute or so)"
	@$(PIP) install --upgrade 'pip>=25.1'
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.test-installed: pyproject.toml $(VENV)/.installed
	@echo "Installing what the tests need (once, a minute or two)"
	@$(PIP) install --group test
	@touch $@

demo: $(VENV)/.installed  ## run both levels on a small generated dataset; says where the report is
	@$(BIN)/boldglm demo demo

lint: $(VENV)/.test-installed  ## style, types and the direction of imports
	@$(BIN)/ruff check src tests
	@$(BIN)/ruff format --check src tests
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test: lint  ## the whole test suite
	@$(BIN)/python -m pytest -m "not slow and not container" -q

test-all: lint  ## the test suite with its slow batteries
	@$(BIN)/python -m pytest -m "not container" -q

clean:  ## remove what make created
	rm -rf $(VENV) demo .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
