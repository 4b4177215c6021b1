# Every target installs what it needs. `make help` lists the targets.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUN_STAMP := $(VENV)/.run
CLUSTER_STAMP := $(VENV)/.cluster
NEW_ENOUGH := $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; \
  name it: make PYTHON=python3.12 …"; exit 1; }
COMPILE := $(BIN)/uv pip compile --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-annotate \
  --no-header -q
SEEDS ?= 10000
# Tests compile once and not in each process again.
unexport PYTHONDONTWRITEBYTECODE
# The Python SDK is used where it stands: a line in the virtual environment names its folder.
LINK_SDK = echo "$(CURDIR)/clients/python" > "$$($(1)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/websocket_handler_client.pth"
PROCESSES ?= 6
# Each process of a run of tests reads all of them. pytest compiles a test when it is read first: two processes do that once,
# for all others.
TEST_HALVES := "tests/unit tests/clients tests/contract tests/house" \
  "tests/integration tests/security tests/e2e tests/simulation tests/proof tests/agui tests/supply_chain tests/first_run"
CORE_TESTS := tests/unit tests/clients tests/contract tests/simulation tests/integration/test_nesting.py tests/integration/net

.PHONY: help install run cluster haproxy test test-core check format format-check lint types imports infra-test image-test container-tools \
  first-run first-minutes audit sbom sbom-test bench bench-cluster costs metrics settings reference agui-modules agui agui-cuts docs sdk-python sdk-python-cuts sdk-python-langgraph fuzz fuzz-coverage fuzz-api floods proxies proofs cluster-proofs storm storm-cluster simulation simulation-cluster simulation-snapshots browser node-modules sdk-modules sdk-test sdk-console console console-check console-smooth console-pictures console-modules \
  sdk-cuts sdk-package sdk-runtimes lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(STAMP) ## create the virtual environment with all packages of the project

$(STAMP): requirements/dev.txt websocket_handler/requirements.txt pyproject.toml websocket_handler/net/_send.c
	@$(NEW_ENOUGH) && $(PYTHON) requirements/install.py $(VENV) requirements/dev.txt
	@echo 'int main(void){return 0;}' | cc -include Python.h -I"$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')" \
	  -fsyntax-only -x c - 2>/dev/null || { echo "installing a C compiler and Python's headers through apt"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends gcc libc6-dev python3-dev >/dev/null; } \
	  || echo "there is no C compiler: fan-out runs without its compiled loop (docs/decisions/0013-native-send.md)"
	@echo "building the package and its compiled loop"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(call LINK_SDK,$(VENV))
	@touch $(RUN_STAMP) $(CLUSTER_STAMP) $(STAMP)

# `make run` needs half of the packages. They go into the same virtual environment: `make install` adds the others. What it
# installed does for `make run`, too, because the lock for running is a part of the other one.
$(RUN_STAMP): requirements/run.txt clients/python/pyproject.toml
	@if [ $(STAMP) -nt requirements/dev.txt ] && [ $(STAMP) -nt requirements/run.txt ]; then true; else \
	  $(NEW_ENOUGH) && $(PYTHON) requirements/install.py $(VENV) requirements/run.txt; fi
	@$(call LINK_SDK,$(VENV))
	@touch $@

run: $(RUN_STAMP) ## run the whole system on this machine: AWS emulator, gateway, four demo agents, console page
	@exec $(BIN)/python -m demo.run --ends-with $$PPID $(ARGS)

$(CLUSTER_STAMP): requirements/cluster.txt $(RUN_STAMP)
	@if [ $(STAMP) -nt requirements/dev.txt ] && [ $(STAMP) -nt requirements/cluster.txt ]; then true; else \
	  $(PYTHON) requirements/install.py $(VENV) requirements/cluster.txt; fi
	@touch $@

cluster: $(CLUSTER_STAMP) haproxy ## run three nodes as one on this machine: Valkey, load balancer, and all of `make run`
	@exec $(BIN)/python -m demo.cluster --ends-with $$PPID $(ARGS)

haproxy: ## install HAProxy through apt if it is missing
	@test -x /usr/sbin/haproxy || command -v haproxy >/dev/null || { echo "installing haproxy through apt"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends haproxy >/dev/null; }

test: $(VENV)/.compiled browser node-modules sdk-modules agui-modules console-modules ## run every test, in PROCESSES=6 processes
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist worksteal $(ARGS)

$(VENV)/.compiled: $(STAMP) $(shell find tests -name '*.py')
	@echo "compiling the tests"
	@for half in $(TEST_HALVES); do $(BIN)/python -m pytest --collect-only -qq $$half >/dev/null & done; wait
	@touch $@

# Each version of Python has an environment of its own. It builds the compiled loop, too, and puts it beside the other one
# under the name that this version looks for first, and no other version at all.
test-core: ## PYTHON=python3.13: run the unit, contract and simulation tests on this version of Python
	@python=$$(.ci/find-python $(PYTHON)) || { echo "there is no $(PYTHON) on this machine"; exit 1; }; \
	  venv=.venv-$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  $(MAKE) --no-print-directory PYTHON=$$python $$venv/.core && echo "$(PYTHON) is $$python" && \
	  $$venv/bin/python -m pytest --numprocesses $(PROCESSES) --dist worksteal -p no:cacheprovider \
	  $(CORE_TESTS) $(ARGS)

.venv-3.%/.core: requirements/dev.txt websocket_handler/requirements.txt pyproject.toml websocket_handler/net/_send.c
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	@echo "installing the Python packages of requirements/dev.txt in $(@D)"
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@rm -rf $(@D)/built
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --target $(@D)/built .
	@cp $(@D)/built/websocket_handler/net/_send.abi3.so \
	  "websocket_handler/net/_send$$($(@D)/bin/python -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')" \
	  2>/dev/null || echo "the compiled loop could not be built for $(PYTHON): fan-out runs without it there"
	@$(call LINK_SDK,$(@D))
	@touch $@

check: format-check lint types imports test ## run all checks and every test

format: $(STAMP) ## format the code, and repair what the linter can repair
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

format-check: $(STAMP)
	$(BIN)/ruff format --check .

lint: $(STAMP) ## check style and likely mistakes
	$(BIN)/ruff check .

types: $(STAMP) ## check types with mypy, strict
	$(BIN)/mypy

imports: $(STAMP) ## check the direction of imports
	$(BIN)/lint-imports

first-run: $(STAMP) browser node-modules .venv-aws-cli/.installed ## type every command of the documents into a fresh clone of HEAD
	FIRST_RUN=1 $(BIN)/python -m pytest tests/first_run -s $(ARGS)

infra-test: .venv-infra/.installed .venv-sam/.installed .venv-checkov/.installed ## test template, rights, deployment and SAM against an extended emulator, and run their linters
	.venv-infra/bin/python -m pytest tests/infra --ignore-glob '*/test_image*.py' $(ARGS)

image-test: .venv-infra/.installed .venv-sbom/.installed container-tools ## build the image and run it in 512 MB and a quarter of a core; run the whole compose file
	.venv-infra/bin/python -m pytest tests/infra/test_image.py tests/infra/test_image_compose.py -s $(ARGS)

.venv-infra/.installed: requirements/infra.txt
	@test -x .venv-infra/bin/python || $(PYTHON) -m venv .venv-infra
	@echo "installing the Python packages of requirements/infra.txt"
	@.venv-infra/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/infra.txt
	@touch $@

.venv-aws-cli/.installed: requirements/aws-cli.txt
	@$(PYTHON) requirements/install.py .venv-aws-cli requirements/aws-cli.txt
	@touch $@

.venv-sam/.installed .venv-checkov/.installed: .venv-%/.installed: requirements/infra-%.txt
	@test -x .venv-$*/bin/python || $(PYTHON) -m venv .venv-$*
	@echo "installing the Python packages of $<"
	@.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

container-tools:
	@command -v buildah >/dev/null && command -v podman >/dev/null && command -v runc >/dev/null \
	  && command -v docker-compose >/dev/null && test -x /usr/lib/podman/aardvark-dns || { \
	  echo "installing podman, buildah, runc and docker-compose through apt"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends podman buildah \
	  runc catatonit containernetworking-plugins netavark aardvark-dns docker-compose debootstrap >/dev/null; }

first-minutes: $(STAMP) browser ## print how many seconds a newcomer waits: wheel to live update, clone to make run, an agent of one's own
	$(BIN)/python -m tests.e2e.minutes

audit: $(STAMP) ## look for known vulnerabilities of every locked package; Error 1: there are some, Error 2: could not run
	$(BIN)/python -m supply_chain $(ARGS)

sbom: .venv-sbom/.installed ## write the image's bill of materials (CycloneDX) to dist/sbom.cdx.json, and check it
	@mkdir -p dist
	@.venv-sbom/bin/python -m pip install --quiet --disable-pip-version-check --dry-run --ignore-installed --no-deps \
	  --only-binary=:all: --require-hashes --report dist/pip-report.json -r websocket_handler/requirements.txt
	@.venv-sbom/bin/python -I websocket_handler/image/sbom.py --lock websocket_handler/requirements.txt \
	  --report dist/pip-report.json --packages "$$(.venv-sbom/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
	  --version "$$(git describe --always --dirty)" --created "$$(date -u +%Y-%m-%dT%H:%M:%SZ)" --output dist/sbom.cdx.json
	@rm dist/pip-report.json
	.venv-sbom/bin/python -m supply_chain.check_sbom dist/sbom.cdx.json websocket_handler/requirements.txt

sbom-test: .venv-sbom/.installed ## test the bill of materials against its lock and the CycloneDX schema
	.venv-sbom/bin/python -m pytest tests/supply_chain/test_sbom.py tests/supply_chain/test_check_sbom.py $(ARGS)

.venv-sbom/.installed: requirements/sbom.txt
	@test -x .venv-sbom/bin/python || $(PYTHON) -m venv .venv-sbom
	@echo "installing the Python packages of requirements/sbom.txt"
	@.venv-sbom/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/sbom.txt
	@touch $@

bench: $(STAMP) ## measure the gateway, other servers and the bare limit in one run; ARGS=--quick for a short one
	$(BIN)/python -m bench $(ARGS)

bench-cluster: $(STAMP) ## measure several nodes on Valkey: deliveries across nodes, many projects, eight writers, the engine alone
	$(BIN)/python -m bench.cluster $(ARGS)
	$(BIN)/python -m bench.writers
	$(BIN)/python -m bench.engine

costs: $(STAMP) ## write the cost sheet from its price table
	$(BIN)/python docs/operations/costs.py

metrics: $(STAMP) ## write the page of metrics from the table of metrics
	$(BIN)/python docs/operations/metrics.py

settings: $(STAMP) ## write the page of settings from their declarations
	$(BIN)/python docs/reference/settings.py

reference: settings metrics ## write every page that is made from code: settings, metrics, commands, HTTP API, codes, Grafana dashboard
	$(BIN)/python docs/reference/commands.py
	$(BIN)/python docs/reference/http_api.py
	$(BIN)/python docs/reference/codes.py
	$(BIN)/python docs/operations/grafana.py

docs: .venv-docs/.installed ## build the documentation site in dist/site; a link to a page or heading that is not there ends it
	@$(PYTHON) docs/site.py gather
	.venv-docs/bin/zensical build --clean --strict
	@$(PYTHON) docs/site.py finish

.venv-docs/.installed: requirements/docs.txt
	@$(PYTHON) requirements/install.py .venv-docs requirements/docs.txt
	@touch $@

fuzz: $(STAMP) ## fuzz handshake, frames, commands and HTTP for MINUTES=n
	$(BIN)/python -m tests.security.fuzz --minutes $(or $(MINUTES),10)

fuzz-coverage: .venv-fuzz/.installed ## fuzz the pure parts with atheris, guided by coverage, for MINUTES=n
	.venv-fuzz/bin/python -m tests.security.coverage_fuzz --minutes $(or $(MINUTES),10)

fuzz-api: $(STAMP) ## send EXAMPLES=n random requests for each operation of the HTTP API, as users with different rights
	$(BIN)/python -m tests.security.api_fuzz --examples $(or $(EXAMPLES),1000)

.venv-fuzz/.installed: requirements/fuzz.txt
	@test -x .venv-fuzz/bin/python || $(PYTHON) -m venv .venv-fuzz
	@echo "installing the Python packages of requirements/fuzz.txt"
	@.venv-fuzz/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/fuzz.txt
	@touch $@

floods: $(STAMP) ## attack a node with 2,000 hostile sockets at a time, and print what they cost
	$(BIN)/python -m tests.security.test_floods

proofs: $(STAMP) ## run the delivery proofs at full size, and print their figures
	$(BIN)/python -m tests.proof.kills --rounds 20
	$(BIN)/python -m tests.proof.rolling --rounds 5
	$(BIN)/python -m tests.proof.outages --rounds 10
	$(BIN)/python -m tests.proof.slow --clients 1000
	$(BIN)/python -m tests.proof.answers --questions 1000 --kills 20

cluster-proofs: $(STAMP) haproxy ## hurt three nodes on Valkey: KILLS=50 of nodes, FAILOVERS=20 of each kind, for both set-ups, and behind Sentinels
	for store in valkey dynamodb; do \
	  $(BIN)/python -m tests.proof.cluster --log-store $$store --kills $(or $(KILLS),50) --failovers $(or $(FAILOVERS),20) || exit 1; done
	$(BIN)/python -m tests.proof.sentinels --failovers 6

storm: $(STAMP) ## bring 10,000 clients back to a slow store in virtual time and over sockets; print the figures
	$(BIN)/python -m tests.simulation.storm --clients 10000 --projects 100 --calls-per-s 50 --records-s 1200
	$(BIN)/python -m tests.proof.storm --clients 10000 --projects 100 --calls-per-s 50 --pin

storm-cluster: $(STAMP) ## kill one of three nodes on Valkey: its 10,000 clients come to the other two; exit code 1 if a bound is broken
	$(BIN)/python -m tests.proof.cluster_storm --clients 10000 --projects 100

simulation: $(STAMP) ## run SEEDS=n seeded schedules of whole nodes in virtual time
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) --processes $$(nproc)

simulation-snapshots: $(STAMP) ## run SEEDS=n seeded schedules of two nodes that go on with snapshots of runs, in virtual time
	$(BIN)/python -m tests.simulation.snapshot_plays --seeds $(SEEDS) --processes $$(nproc)

simulation-cluster: $(STAMP) ## run SEEDS=n seeded schedules of three nodes over a model of Valkey in virtual time
	$(BIN)/python -m tests.simulation.cluster --seeds $(SEEDS) --processes $$(nproc)

sdk-python: .venv-sdk/.installed ## build the Python SDK, check it with twine, and use it from its wheel on each Python of this machine
	@rm -rf dist/sdk clients/python/build
	.venv-sdk/bin/python -m build --no-isolation --outdir dist/sdk clients/python >/dev/null
	.venv-sdk/bin/python -m twine check --strict dist/sdk/*
	@for name in python3.11 python3.12 python3.13; do \
	  python=$$(.ci/find-python $$name) || { echo "not tried on $$name: this machine has none"; continue; }; \
	  rm -rf .run/sdk && $$python -m venv .run/sdk && \
	  .run/sdk/bin/python -m pip install --quiet --disable-pip-version-check "$$(ls dist/sdk/*.whl)[sqs]" && \
	  .run/sdk/bin/python -I clients/python/examples/own_test.py && echo "works from its wheel on $$name" || exit 1; \
	done; rm -rf .run/sdk

.venv-sdk/.installed: requirements/sdk.txt
	@$(PYTHON) requirements/install.py .venv-sdk requirements/sdk.txt
	@touch $@

sdk-python-cuts: $(STAMP) ## cut a client of the Python SDK CUTS=1000 times, at moments of every kind, and print what it lost
	$(BIN)/python -m tests.clients.python.cuts --cuts $(or $(CUTS),1000)

sdk-python-langgraph: $(STAMP) .venv-langgraph/.installed ## run the LangGraph agent of the examples, from its own locked packages, on a queue and a gateway
	$(BIN)/python -m pytest tests/clients/python/test_langgraph.py $(ARGS)

.venv-langgraph/.installed: requirements/langgraph.txt
	@$(PYTHON) requirements/install.py .venv-langgraph requirements/langgraph.txt
	@$(call LINK_SDK,.venv-langgraph)
	@touch $@

proxies: $(STAMP) browser node-modules sdk-modules console-modules ## run all end-to-end tests through nginx and HAProxy, whose connections are used again and again
	@command -v haproxy >/dev/null && test -x /usr/sbin/nginx || { echo "installing nginx and haproxy through apt"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends nginx-light haproxy >/dev/null; }
	for proxy in nginx haproxy; do THROUGH=$$proxy $(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist worksteal tests/e2e $(ARGS) || exit 1; done

browser: ## install Chromium, and strace for the cost guard, through apt if they are missing
	@command -v chromium >/dev/null && command -v strace >/dev/null || { echo "installing chromium and strace through apt"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends chromium strace >/dev/null; }

redis: ## install Debian's Redis 7.0 through apt if it is missing: the tests of the Valkey adapter then run on it, too
	@command -v redis-server >/dev/null || { echo "installing redis-server through apt"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends redis-server >/dev/null; }

node-modules: tests/e2e/node_modules/.package-lock.json

tests/e2e/node_modules/.package-lock.json: tests/e2e/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed for the ws client of the end-to-end tests"; exit 1; }
	@cd tests/e2e && npm ci --silent --no-audit --no-fund

agui-cuts: $(STAMP) agui-modules sdk-modules ## cut the AG-UI clients and the AI SDK, each CUTS=1000 times, kill and drain their gateway, and print what they lost
	$(BIN)/python -m tests.agui.cuts --cuts $(or $(CUTS),1000)

agui-modules: tests/agui/node_modules/.package-lock.json

tests/agui/node_modules/.package-lock.json: tests/agui/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed for the AG-UI clients"; exit 1; }
	@cd tests/agui && npm ci --silent --no-audit --no-fund

agui: $(STAMP) agui-modules ## check the laws of runs on CASES=100000 made-up runs, and give them to the AG-UI clients
	$(BIN)/python -m tests.unit.logs.runs --cases $(or $(CASES),100000)
	$(BIN)/python -m tests.agui --cases $(or $(CASES),100000)

sdk-modules: clients/typescript/node_modules/.package-lock.json

clients/typescript/node_modules/.package-lock.json: clients/typescript/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed for the TypeScript client"; exit 1; }
	@cd clients/typescript && npm ci --silent --no-audit --no-fund

sdk-test: sdk-modules ## check the types of the TypeScript client, and run its quick tests
	@cd clients/typescript && npm run --silent types && npm test --silent

sdk-console: sdk-modules ## build the TypeScript client into the console page of the gateway; a test fails while it is out of date
	@cd clients/typescript && node build.js --console

console: console-modules sdk-modules ## build the console page from console/ into the folder that the gateway serves
	@cd console && npm run --silent build

console-smooth: $(STAMP) browser node-modules ## show 10,000 updates in the console, and fail if a task of the page takes 50 ms of processor time
	CONSOLE_UPDATES=10000 CONSOLE_TASK_MS_MAX=50 $(BIN)/python -m pytest -q -s tests/e2e/test_console_smooth.py

console-pictures: $(STAMP) browser node-modules console-modules ## make the pictures of the README anew, from the console of a running gateway
	CONSOLE_PICTURES=$(CURDIR)/docs/pictures $(BIN)/python -m pytest -q tests/e2e/test_console_picture.py

console-check: console-modules sdk-modules ## check the types of the console page, and that the built files are what its sources build
	@cd console && npm run --silent check

console-modules: console/node_modules/.package-lock.json

console/node_modules/.package-lock.json: console/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed for the console page"; exit 1; }
	@cd console && npm ci --silent --no-audit --no-fund

sdk-cuts: $(STAMP) sdk-modules ## cut the TypeScript client from real gateways CUTS=1000 times (FOLD=1: with joined deltas), and count what is lost or doubled
	@cd clients/typescript && node build.js --quick && node .build/tests/real/cuts.js --cuts $(or $(CUTS),1000) $(or $(SEED),15) $(if $(FOLD),--fold)

sdk-package: sdk-modules ## pack the TypeScript client, check the pack, install it in an empty project and use it there
	@cd clients/typescript && node tests/artefact/check.js

sdk-runtimes: $(STAMP) sdk-modules clients/typescript/runtimes/node_modules/.package-lock.json ## CUTS=100 for the TypeScript client on Node, Bun and Deno
	@cd clients/typescript && node build.js --quick && node runtimes/run.js $(or $(CUTS),100) $(or $(SEED),15)

clients/typescript/runtimes/node_modules/.package-lock.json: clients/typescript/runtimes/package-lock.json
	@cd clients/typescript/runtimes && npm ci --silent --no-audit --no-fund

lock: ## compile the hash-locked requirements from requirements/*.in
	@$(BIN)/python -m pip install --quiet uv
	$(COMPILE) requirements/runtime.in -o websocket_handler/requirements.txt
	$(COMPILE) requirements/dev.in -o requirements/dev.txt
	$(COMPILE) requirements/run.in --constraint requirements/dev.txt -o requirements/run.txt
	$(COMPILE) requirements/cluster.in --constraint requirements/dev.txt -o requirements/cluster.txt
	$(COMPILE) requirements/aws-cli.in -o requirements/aws-cli.txt
	$(COMPILE) requirements/sbom.in -o requirements/sbom.txt
	$(COMPILE) requirements/fuzz.in -o requirements/fuzz.txt
	$(COMPILE) requirements/sdk.in -o requirements/sdk.txt
	$(COMPILE) requirements/langgraph.in -o requirements/langgraph.txt
	$(COMPILE) requirements/docs.in -o requirements/docs.txt

clean: ## remove what the targets created
	rm -rf websocket_handler/net/_send.*.so tests/agui/node_modules $(VENV) .venv-3.* .venv-infra .venv-sam .venv-checkov .venv-aws-cli .venv-bench .venv-fuzz .run/fuzz .run/sdk .venv-sdk .venv-langgraph .venv-sbom .venv-docs .run/site dist/site .cache dist/sbom.cdx.json tests/e2e/node_modules console/node_modules clients/typescript/node_modules clients/typescript/runtimes/node_modules clients/typescript/dist clients/typescript/.build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
