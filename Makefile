# Everything that the project needs is installed into .venv; nothing else on the machine changes.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
# Compiled modules are kept, also where the environment forbids it: tests start some dozens of processes.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.venv/installed: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Greenroom needs Python 3.11 or newer; set PYTHON=/path/to/it"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing: on Debian and Ubuntu, apt-get install python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the locked dependencies into .venv (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: install
install: .venv/installed ## install the locked dependencies into .venv

.PHONY: lock
lock: ## pin the newest versions again, with hashes
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --no-strip-extras pyproject.toml -o requirements/serve.txt
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --no-strip-extras --extra dev pyproject.toml -o requirements/dev.txt
	@echo "atheris<3.1" | $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header - -o requirements/fuzz.txt

.PHONY: control-plane
control-plane: .venv/installed ## build a real Kubernetes control plane from Go modules (once, outside the tree)
	@$(BIN)/python -m tests.kubernetes.binaries

.PHONY: tools
tools: .venv/installed ## build Kustomize, Helm and OpenTofu from Go modules (once, outside the tree)
	@$(BIN)/python -m tests.kubernetes.tools
	@$(BIN)/python -m tests.kubernetes.opentofu

.PHONY: secret-managers
secret-managers: .venv/installed ## build Vault, External Secrets and sealed-secrets from Go modules (once, outside the tree)
	@nice $(BIN)/python -m tests.kubernetes.secret_programs

.PHONY: node
node: .venv/installed ## build a real node from Go modules, and the image of the bot; get Prometheus (once, outside the tree)
	@tests/node/scripts/build
	@$(BIN)/python -m tests.node.base_layer
	@$(BIN)/python -m tests.kubernetes.prometheus
	@$(BIN)/python -m tests.node.image

# Tests spend much of their time waiting, so four processes keep two cores busy.
TEST := $(BIN)/python -m pytest -n 4 --dist worksteal
NEEDS_PYTHON_ONLY := not (cluster or node or tools or secrets or postgresql or browser or fault or long or soak or fuzz)

.PHONY: check
check: .venv/installed ## style, types, import rules, declared dependencies; every test can be imported
	@$(MAKE) --no-print-directory --jobs 6 --output-sync lint format types imports dependencies collection

.PHONY: lint format types imports dependencies collection
lint:
	@$(BIN)/ruff check .
format:
	@$(BIN)/ruff format --check --quiet .
types:
	@$(BIN)/mypy
imports:
	@$(BIN)/lint-imports --no-cache
dependencies:
	@$(BIN)/deptry --no-ansi bot
	@$(BIN)/deptry --no-ansi --ignore DEP002,DEP004 bot tests
# It also compiles the tests, once for all processes of `make test`.
collection:
	@output=$$($(BIN)/python -m pytest -q --collect-only tests) || { echo "$$output"; exit 1; }

.PHONY: test
test: check ## check, and every short test that needs nothing but Python
	@$(TEST) -m "$(NEEDS_PYTHON_ONLY)" tests

.PHONY: test-one
test-one: .venv/installed ## the tests of one component: make test-one DIR=tests/unit/commands
	@test -n "$(DIR)" || { echo "Name a folder or file: make test-one DIR=tests/unit/commands"; exit 1; }
	@$(BIN)/python -m pytest -q -m "$(NEEDS_PYTHON_ONLY)" $(DIR)

.PHONY: soak
soak: .venv/installed ## long random series, and every property with new random examples
	@$(TEST) --hypothesis-profile soak -m "soak or (hypothesis and not fuzz)" tests

.PHONY: test-stories
test-stories: .venv/installed ## long stories and other slow tests in the embedded world
	@$(TEST) -m "long and not (cluster or node or tools)" tests

.PHONY: test-faults
test-faults: .venv/installed ## faults: killed processes, hanging servers, lost connections
	@$(BIN)/python -m pytest -n 3 --dist worksteal -m "fault and not (cluster or node)" tests

.PHONY: test-postgresql
test-postgresql: .venv/installed ## store and queue on PostgreSQL, from Debian's package
	@$(BIN)/python -m pytest -m postgresql tests

.PHONY: test-tools
test-tools: tools ## the real Kustomize and Helm, on the samples
	@$(BIN)/python -m pytest -m "tools and not cluster" tests

.PHONY: test-cluster
test-cluster: tools $(if $(GREENROOM_TEST_KUBECONFIG),.venv/installed,control-plane) ## cluster contracts and stories on a real control plane
	@$(BIN)/python -m pytest -n 3 --dist worksteal -m cluster tests

.PHONY: test-secrets
test-secrets: secret-managers control-plane ## Vault, External Secrets and sealed-secrets on a real control plane
	@$(BIN)/python -m pytest -n 3 --dist loadfile -m secrets tests

.PHONY: test-node
test-node: tools node ## stories on a real node with containers, in a network namespace; needs root
	@tests/node/scripts/enter $(BIN)/python -m pytest -m node tests

.PHONY: fuzz
fuzz: .venv/installed ## ten thousand hostile inputs of each kind
	@$(TEST) -m fuzz tests/fuzz

.venv/fuzz-installed: requirements/fuzz.txt .venv/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/fuzz.txt
	@touch $@

.PHONY: fuzz-guided
fuzz-guided: .venv/fuzz-installed ## coverage-guided hostile inputs, one minute for each kind
	@for target in configurations manifests kustomizations charts comments; do $(BIN)/python -m tests.fuzz.guided $$target 60 || exit 1; done

.PHONY: bench
ifneq ($(filter node,$(MAKECMDGOALS)),)
bench: node
	@tests/node/scripts/enter $(BIN)/python -m tests.bench node
else
bench: .venv/installed ## benchmarks; fails when a goal is missed. make bench node: on the real node
	@$(BIN)/python -m tests.bench
endif

.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || { echo "Installing Debian's Chromium"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core fonts-noto-color-emoji >/dev/null; } || { echo "Chromium is missing and could not be installed: install Debian's package chromium"; exit 1; }

.PHONY: test-browser
test-browser: .venv/installed chromium ## the pages in Chromium; screenshots in test-output/
	@$(BIN)/python -m pytest -m browser tests/browser

.PHONY: screenshots
screenshots: .venv/installed chromium ## write the README's screenshots to docs/images/
	@$(BIN)/python -m tests.browser.screenshots

.PHONY: tables
tables: .venv/installed ## write the generated tables in ARCHITECTURE.md and docs/
	@$(BIN)/python -m tests.unit.project.generated

.PHONY: demo
demo: .venv/installed ## the whole life of a pull request, on this machine
	@$(BIN)/greenroom demo

.PHONY: clean
clean: ## remove everything that the targets created in the tree
	rm -rf .venv build dist test-output .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find bot tests deploy fixtures -name __pycache__ -type d -prune -exec rm -rf {} +
