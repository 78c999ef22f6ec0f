# Every target makes the environment that it needs; nothing has to be installed by hand.
PYTHON ?= python3
# numpy 2.0 has no wheels for Python 3.13 and newer
PYTHON_OLDEST ?= $(PYTHON)
VENV := .venv
OLDEST := .venv-oldest
DEMO_OUTPUT ?= demo_output
# Paths for `make test` and `make test-oldest`; empty: all tests and docstrings.
TESTS ?=
OLDEST_TESTS ?=
# The release of PyTorch for `make test-deep`, and what needs it.
TORCH ?= torch==2.13.0
DEEP_TESTS ?= $(shell grep -rl --include='*.py' torch tests hierseg_learn)
# Seed and time of `make fuzz`; empty: a drawn seed, 18 minutes.
SEED ?=
MINUTES ?=
BENCHMARKS ?= $(sort $(wildcard benchmarks/bench_*.py))

MIN_PYTHON := $(shell sed -n 's/^requires-python = ">=\(.*\)"/\1/p' pyproject.toml)
# One process per core and one thread in each: more threads than cores slow all of them down.
PYTEST := -m pytest --numprocesses=auto --dist=worksteal
# scikit-learn skips its check of array API input where SciPy does not take part in it.
TEST_ENV := SCIPY_ARRAY_API=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1
PIP := -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-deep test-oldest fuzz lint format docs linkcheck bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.with-plot ## classify generated portraits and explain the result, in demo_output/
	$(VENV)/bin/python -m hierseg_learn.demo --output $(DEMO_OUTPUT)

test: $(VENV)/.with-test ## run all tests with the newest releases of everything
	$(TEST_ENV) $(VENV)/bin/python $(PYTEST) $(TESTS)

test-deep: $(VENV)/.with-test ## run the tests of networks with PyTorch, which `make test` skips
	$(VENV)/bin/python $(PIP) '$(TORCH)'
	$(TEST_ENV) $(VENV)/bin/python $(PYTEST) $(DEEP_TESTS)

test-oldest: $(OLDEST)/.with-test ## run the tests with the oldest supported releases
	$(TEST_ENV) $(OLDEST)/bin/python $(PYTEST) $(OLDEST_TESTS)

fuzz: $(VENV)/.with-test ## search for random cases that fail, for 18 minutes
	$(TEST_ENV) $(VENV)/bin/python tests/fuzz.py $(SEED:%=--seed=%) $(MINUTES:%=--minutes=%) $(TESTS)

lint: $(VENV)/.with-lint ## check style, format and spelling
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/codespell

format: $(VENV)/.with-lint ## let ruff repair style and format
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

docs: $(VENV)/.with-docs ## build the documentation and the example gallery, in docs/_build/html/
	$(VENV)/bin/sphinx-build -W --keep-going -b html docs docs/_build/html

linkcheck: $(VENV)/.with-docs ## check the links of the documentation to other sites
	$(VENV)/bin/sphinx-build -W --keep-going -D plot_gallery=0 -b linkcheck docs docs/_build/linkcheck

bench: $(VENV)/.with-test ## run the benchmarks, one after the other
	@for script in $(BENCHMARKS); do \
		echo "$$script"; $(VENV)/bin/python "$$script" || exit 1; \
	done

clean: ## remove everything that make has made, environments too
	rm -rf $(VENV) $(OLDEST) $(DEMO_OUTPUT) build dist *.egg-info
	rm -rf .pytest_cache .hypothesis .ruff_cache
	rm -rf docs/_build docs/auto_examples docs/api/generated
	find . -name .git -prune -o -name __pycache__ -prune -exec rm -rf {} +

# The stamp .with-EXTRA stands for "the package and that extra are installed".
$(VENV)/.with-%: pyproject.toml | $(VENV)/bin/pip
	$(VENV)/bin/python $(PIP) --editable '.[$*]'
	@touch $@

# Wheels only: an old release that would have to be compiled should fail at once.
$(OLDEST)/.with-test: pyproject.toml .ci/oldest.txt | $(OLDEST)/bin/pip
	$(OLDEST)/bin/python $(PIP) --only-binary=:all: --constraint .ci/oldest.txt --editable '.[test]'
	@touch $@

$(VENV)/bin/pip:
	$(call make-venv,$(PYTHON),$(VENV))

$(OLDEST)/bin/pip:
	$(call make-venv,$(PYTHON_OLDEST),$(OLDEST))

define make-venv
@command -v $(1) >/dev/null || { \
	echo "$(1) was not found; name a Python: make PYTHON=python$(MIN_PYTHON)" >&2; exit 1; }
@$(1) -c 'import sys; sys.exit(sys.version_info < ($(subst .,$(comma) ,$(MIN_PYTHON))))' || { \
	echo "hierseg_learn needs Python $(MIN_PYTHON) or newer, but $(1) is $$($(1) -V 2>&1);" \
		"name a newer one: make PYTHON=python$(MIN_PYTHON)" >&2; exit 1; }
$(1) -m venv $(2)
endef
comma := ,
