# Every target sets up what it needs. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
STAMP := $(VENV)/.installed
SEEDS ?= 10000

.PHONY: help install run test check format lint types imports unit simulation browser node-modules lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(STAMP) ## create the virtual environment with everything the project needs

$(STAMP): requirements/dev.txt websocket_handler/requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the Python packages of requirements/dev.txt"
	@$(PIP_INSTALL) -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

run: $(STAMP) ## the whole system on this machine: AWS emulator, gateway, four demo agents, console page
	@exec $(BIN)/python -m demo.run $(ARGS)

test: $(STAMP) browser node-modules ## every test
	$(BIN)/python -m pytest $(ARGS)

check: format-check lint types imports test ## everything that CI checks

format: $(STAMP) ## rewrite the code in the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

format-check: $(STAMP)
	$(BIN)/ruff format --check .

lint: $(STAMP) ## style and likely mistakes
	$(BIN)/ruff check .

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

imports: $(STAMP) ## the direction of imports
	$(BIN)/lint-imports

simulation: $(STAMP) ## SEEDS=n seeded schedules of whole nodes in virtual time
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

browser: ## a real Chromium for the browser tests, through apt where it is missing
	@command -v chromium >/dev/null || { echo "installing chromium through apt"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; }

node-modules: tests/e2e/node_modules/.package-lock.json

tests/e2e/node_modules/.package-lock.json: tests/e2e/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed for the ws client of the end-to-end tests"; exit 1; }
	@cd tests/e2e && npm ci --silent --no-audit --no-fund

lock: ## write the hash-locked requirements anew from requirements/*.in
	@$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile requirements/runtime.in --python-version 3.11 --universal --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header -q -o websocket_handler/requirements.txt
	$(BIN)/uv pip compile requirements/dev.in --python-version 3.11 --universal --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header -q -o requirements/dev.txt

clean: ## remove what the targets made
	rm -rf $(VENV) tests/e2e/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
