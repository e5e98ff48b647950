# Everything here needs git, make and Python 3.11+; the rest is set up on first use.
SHELL := /bin/bash
.DELETE_ON_ERROR:
PY ?= $(firstword $(foreach p,python3.14 python3.13 python3.12 python3.11 python3,$(shell $(p) -c 'import sys;print("$(p)" if sys.version_info >= (3,11) else "")' 2>/dev/null)))
TOOLS_LOCK := requirements-tools.lock
UV := .tools/bin/uv
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS := never
LOCK := requirements.lock
CLOUD_LOCK := requirements-cloud.lock
DEV_LOCK := requirements-dev.lock
JOBS ?= auto

.PHONY: help run cloud test test-system chaos lint format bench clean lock setup setup-dev

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV): $(TOOLS_LOCK)
	@test -n "$(PY)" || { echo "coditect needs Python 3.11 or newer; none was found on PATH." >&2; exit 1; }
	@$(PY) -m venv .tools || { echo "Python's venv module is missing (on Debian: apt install python3-venv)." >&2; exit 1; }
	@.tools/bin/pip install -q --disable-pip-version-check --require-hashes -r $(TOOLS_LOCK)
	@touch $@

.venv/.run: $(UV) $(LOCK) core/pyproject.toml
	@echo "Setting up .venv (once) …"
	@test -x $(BIN)/python || $(UV) venv -q --python $(PY) .venv
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r $(LOCK)
	@$(UV) pip install -q --python $(BIN)/python --no-build-isolation --no-deps -e core
	@touch $@

.venv/.cloud: .venv/.run $(CLOUD_LOCK) cloud/backend/pyproject.toml
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r $(CLOUD_LOCK)
	@$(UV) pip install -q --python $(BIN)/python --no-build-isolation --no-deps -e cloud/backend
	@touch $@

.venv/.dev: .venv/.cloud $(DEV_LOCK)
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r $(DEV_LOCK)
	@touch $@

setup: .venv/.run ## install what `make run` needs
setup-dev: .venv/.dev ## install what the tests and checks need

run: .venv/.run ## rehearse the founding plan with five agents, and report
	@$(BIN)/coditect rehearse plans/coditect-cloud.yaml --into rehearsal --html rehearsal/report.html; code=$$?; \
	echo "The commands above are on your PATH after: . .venv/bin/activate"; exit $$code

cloud: .venv/.cloud ## start the license service on embedded defaults
	@$(BIN)/coditect-cloud serve $(ARGS)

test: .venv/.dev ## tests that need no root and nothing but PyPI packages
	@mkdir -p .cache && rm -f .cache/coverage*
	@$(BIN)/coverage run -m pytest -n $(JOBS) -m "not system and not chaos" $(ARGS)
	@$(BIN)/coverage combine -q
	@for each in coditect coditect_cloud; do $(BIN)/coverage report --include "*/src/$$each/*" || exit 1; done

test-system: .venv/.dev ## tests that need root or system packages; says what is missing
	@$(BIN)/pytest -m system $(ARGS)

chaos: .venv/.dev ## long runs: kill everything, everywhere
	@$(BIN)/pytest -m chaos -n $(JOBS) --timeout 3600 $(ARGS)

lint: .venv/.dev ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache

format: .venv/.dev ## rewrite the code in the house format
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: .venv/.dev ## ratios against floors and peers
	@for b in benchmarks/bench_*.py; do $(BIN)/python $$b $(BENCH) || exit 1; done

lock: $(UV) ## resolve the locked requirements again
	@$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --no-header --extra solver core/pyproject.toml core/build-requirements.in -o $(LOCK)
	@$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --no-header --all-extras cloud/backend/pyproject.toml core/build-requirements.in \
	  -c $(LOCK) -o $(CLOUD_LOCK)
	@$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --no-header --group dev -c $(LOCK) -c $(CLOUD_LOCK) -o $(DEV_LOCK)

clean: ## remove what the targets above made here; the records of runs stay in CODITECT_HOME
	rm -rf .tools .venv .cache .coditect rehearsal .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
