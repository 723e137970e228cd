# Everything a person does with a checkout. Needs Python 3.11 or newer, make and git.
PYTHON ?= python3
UV ?= uv
ARGS ?=
PROCESSES ?= 3

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := config scanning storage proxy bench tests

.DEFAULT_GOAL := help
.PHONY: help run demo test tests bench fuzz conformance lint format lock image clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  variables: PYTHON=python3.12 (the Python to use), ARGS='...' (passed on to serve, the demo or pytest),"
	@echo "             PROCESSES=0 (how many run the tests side by side; 0 for pytest alone, as with --pdb)"

run: $(VENV)/.installed ## serve on 127.0.0.1:5000 with the embedded registry; ARGS='--help' shows the options
	$(BIN)/imagegate serve $(ARGS)

demo: $(VENV)/.installed ## a temporary gate, four small images, and what a client sees of each
	$(BIN)/imagegate demo $(ARGS)

test: lint tests ## lint, then all tests; ARGS='tests/config -k purl' for some of them

tests: $(VENV)/.tested ## all tests without lint
	$(BIN)/python -m pytest --numprocesses=$(PROCESSES) $(ARGS)

bench: $(VENV)/.installed ## speed beside the registry alone and nginx; ARGS='--quick' takes a minute or two
	$(BIN)/python -m bench $(ARGS)

fuzz: $(VENV)/.tested ## a minute of fuzzing whatever reads bytes of strangers; ARGS='--seconds 600 layer' for more of one
	$(BIN)/python -m tests.fuzz $(ARGS)

conformance: $(VENV)/.tested ## the OCI conformance program through the gate; needs what .ci/run builds on PATH
	$(BIN)/python -m pytest tests/e2e/test_conformance.py $(ARGS)

lint: $(VENV)/.tested ## ruff and mypy --strict
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

format: $(VENV)/.tested ## let ruff lay out the code
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

lock: ## pin the dependencies of pyproject.toml again, with hashes; needs uv
	$(UV) pip compile --quiet $(LOCK_OPTIONS) --extra build --output-file requirements.lock pyproject.toml
	$(UV) pip compile --quiet $(LOCK_OPTIONS) --extra build --extra test --constraint requirements.lock \
		--output-file requirements-test.lock pyproject.toml

image: ## build the container image imagegate:latest; needs docker
	docker build --tag imagegate .

clean: ## remove what the other targets made; the gate's state is elsewhere and stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find $(SOURCES) -type d -name __pycache__ -prune -exec rm -rf {} +

LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make lock'

# Made anew when a lock changes, so that it holds what the lock names and nothing else.
$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "imagegate needs Python 3.11 or newer: make PYTHON=python3.11")'
	@$(PYTHON) -m venv --clear $(VENV) || \
		{ rm -rf $(VENV); echo "Python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PIP) install --require-hashes --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed requirements-test.lock
	$(PIP) install --require-hashes --requirement requirements-test.lock
	@touch $@
