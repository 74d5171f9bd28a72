# `make demo` and `make test` do all of their own set-up; they need git, make and Python 3.11+.
# Every step of it leaves a stamp in .venv, so it is done once, and again when pyproject.toml changes.

# The first interpreter that really runs: a version manager may have shims of Pythons it lacks, and
# some systems have a Python that cannot make a virtual environment (no ensurepip).
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c 'import sys, ensurepip, venv; assert sys.version_info >= (3, 11)' >/dev/null 2>&1 \
	&& { echo "$$p"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
IMAGE ?= boldglm
# Data that the benchmarks generate, about 9 GB.
BENCHMARK_CACHE ?= .benchmark-cache
# Container tool scripts, used where no Docker engine or no Apptainer is at hand.
CTR_TOOLS ?= $(wildcard ../shared/tools/ctr)

.DEFAULT_GOAL := help
.PHONY: help demo docs lint test test-docs test-fast test-all battery fuzz calibration benchmarks image image-test slurm-test test-versions packages lock clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1	/' | expand -t 20

# An interrupted set-up may have left a Python without pip: such an environment is made again.
$(VENV)/.created:
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer with venv and ensurepip found (on Debian and Ubuntu: apt install python3-venv); name one: make PYTHON=/path/to/python3" >&2; exit 1; }; \
	echo "Creating $(VENV) with $(PYTHON)"; \
	"$(PYTHON)" -m venv --clear $(VENV); }
	@echo "Updating pip"
	@$(PIP) install --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.created
	@echo "Installing boldglm and what it needs (once, about a minute)"
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.test-installed: pyproject.toml $(VENV)/.installed
	@echo "Installing what the tests need (once, about a minute)"
	@$(PIP) install --group test
	@touch $@

demo: $(VENV)/.installed  ## run both levels on a small generated dataset; says where the report is
	@$(BIN)/python -m boldglm demo demo

lint: $(VENV)/.test-installed  ## style, types and the direction of imports
	@echo "Style, types, imports"
	@$(BIN)/python -m ruff check src tests benchmarks docs/*.py
	@$(BIN)/python -m ruff format --check src tests benchmarks docs/*.py
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports

$(VENV)/.docs-installed: pyproject.toml $(VENV)/.installed
	@$(PIP) install --editable '.[docs]'
	@touch $@

docs: $(VENV)/.docs-installed  ## build the pages of docs/ as a site, in build/docs/html
	@$(BIN)/python -m sphinx -W --keep-going -q -b html -d build/docs/doctrees docs build/docs/html
	@echo "The site: build/docs/html/index.html"

test-docs: $(VENV)/.test-installed $(VENV)/.docs-installed  ## links, options, calls, examples and tables in the documents; their site
	@$(PYTEST) tests/test_repository.py tests/test_documents.py tests/cli/test_spec.py tests/benchmarks README.md

PYTEST := $(BIN)/python -m pytest -q
# Each process begins with tests of neighboring files, which share fixtures; one that has finished
# takes over some of another's.
PARALLEL := -n auto --dist worksteal
SLOWEST := --durations=15 --durations-min=1

test-fast: lint  ## style, types, imports, unit and oracle tests: before every commit
	@$(PYTEST) $(PARALLEL) -m "not slow and not battery and not container" --ignore tests/end_to_end --ignore tests/benchmarks

test: lint  ## the whole test suite, in parallel
	@$(PYTEST) $(PARALLEL) $(SLOWEST) -m "not slow and not battery and not container"

test-all: lint  ## the test suite with its slow batteries
	@BOLDGLM_TEST_EXAMPLES=explore $(PYTEST) $(PARALLEL) $(SLOWEST) -m "not container"

battery: $(VENV)/.test-installed  ## stop hundreds of calls at any moment, and look at what they leave
	@$(PYTEST) -s -m battery tests/robustness

FUZZ_SECONDS ?= 3600
FUZZ_SEED ?= 1
fuzz: $(VENV)/.test-installed  ## change files of every kind and read them, for an hour (FUZZ_SECONDS, FUZZ_SEED)
	@PYTHONPATH=tests $(BIN)/python -m fuzz.campaign --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED)

# Real runs with made-up events are part of the table where BOLDGLM_TEST_DATA, or the folder that
# the tests look in, has them.
TEST_DATA := $(or $(BOLDGLM_TEST_DATA),$(wildcard ../shared/data))
# `make calibration FULL=1` draws 2000 null datasets for each permutation test of groups (hours).
calibration: $(VENV)/.test-installed  ## false positive rates of noise models and group tests, and nilearn's; renews docs/*calibration.md
	@$(BIN)/python benchmarks/calibration.py $(if $(TEST_DATA),--data $(TEST_DATA))
	@$(BIN)/python benchmarks/group_calibration.py $(if $(FULL),--full)

benchmarks: $(VENV)/.test-installed  ## speed and memory against nilearn and FitLins; renews docs/benchmarks.md
	@$(BIN)/python benchmarks/arrays.py --cache $(BENCHMARK_CACHE)
	@$(BIN)/python benchmarks/run.py --cache $(BENCHMARK_CACHE)
	@$(BIN)/python benchmarks/run.py --cache $(BENCHMARK_CACHE) --background --memory-scans
	@$(BIN)/python benchmarks/command.py --cache $(BENCHMARK_CACHE)
	@$(BIN)/python benchmarks/scaling.py --cache $(BENCHMARK_CACHE)
	@$(BIN)/python benchmarks/query.py --cache $(BENCHMARK_CACHE)
	@$(BIN)/python benchmarks/group.py --cache $(BENCHMARK_CACHE)
	@$(BIN)/python benchmarks/participants.py --cache $(BENCHMARK_CACHE)
	@$(BIN)/python benchmarks/slices.py --cache $(BENCHMARK_CACHE)
	@$(BIN)/python benchmarks/files.py --cache $(BENCHMARK_CACHE)
	@$(BIN)/python benchmarks/report.py

$(VENV)/.release-installed: pyproject.toml $(VENV)/.installed
	@$(PIP) install --group release
	@touch $@

test-versions: $(VENV)/.release-installed  ## a quick part of the tests with lowest, newest and pre-releases of dependencies
	@$(BIN)/python tests/packages/versions.py $(ENVIRONMENTS)

packages: $(VENV)/.release-installed  ## build wheel and sdist, and test both in clean environments
	@$(BIN)/python tests/packages/packages.py

# The Python of the image; Linux on Intel and Arm have the same versions.
LOCK := $(BIN)/uv --quiet pip compile --upgrade --python-version 3.11 --python-platform linux \
	--generate-hashes --no-emit-index-url --no-header --no-annotate
lock: $(VENV)/.release-installed  ## renew the locked dependencies of the image (container/*.lock)
	@$(LOCK) pyproject.toml --output-file container/requirements.lock
	@$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'], 'pip', sep='\n')" \
		| $(LOCK) - --output-file container/build.lock

image:  ## build the container image
	@CTR_TOOLS="$(CTR_TOOLS)" bash tests/container/image.sh build $(IMAGE)

image-test: $(VENV)/.installed  ## run the image read-only, as another user, in Apptainer; compare the maps
	@CTR_TOOLS="$(CTR_TOOLS)" bash tests/container/image.sh test $(IMAGE)

slurm-test: $(VENV)/.test-installed  ## run the plugins and job scripts on a SLURM of one node
	@CTR_TOOLS="$(abspath $(CTR_TOOLS))" $(PYTEST) -m container tests/container/test_slurm.py

clean:  ## remove what make created
	rm -rf $(VENV) $(BENCHMARK_CACHE) demo build docs/api .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache .versions .packages
